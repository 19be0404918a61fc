// Charts over time that share an axis and a cursor; a click or a drag on one sets the time.

const LEFT = 35, RIGHT = 8, TOP = 6, BOTTOM = 15;
const STAGES = ["#4c8dd8", "#e08a2e", "#3fa66a", "#c75a8f", "#8f74d8", "#b5a13a", "#3fa6b5", "#a0695a"];

class Chart {
  /**
   * @param canvas where it is drawn
   * @param end of time, ms
   * @param top the largest value
   * @param draw called with the pen and functions from time and value to places
   */
  constructor(canvas, end, top, unit, draw, seek) {
    Object.assign(this, { canvas, end: Math.max(end, 1), top: top || 1, unit, draw });
    const go = (event) => {
      const part = (event.offsetX - LEFT) / (canvas.clientWidth - LEFT - RIGHT);
      seek(Math.min(Math.max(part, 0), 1) * end);
    };
    canvas.setAttribute("role", "img");
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      go(event);
    });
    canvas.addEventListener("pointermove", (event) => event.buttons && go(event));
  }

  show(t) {
    const { pen, width, height } = cleared(this.canvas);
    const x = (time) => LEFT + (width - LEFT - RIGHT) * (time / this.end);
    const y = (value) => height - BOTTOM - (height - TOP - BOTTOM) * Math.min(value / this.top, 1);
    pen.font = "11px system-ui, sans-serif";
    pen.lineWidth = 1;
    for (const value of [0, this.top / 2, this.top]) {
      pen.strokeStyle = colour("--line");
      line(pen, LEFT, y(value), width - RIGHT, y(value));
      pen.fillStyle = colour("--faint");
      pen.textAlign = "right";
      pen.fillText(short(value), LEFT - 5, y(value) + 4);
    }
    pen.textAlign = "center";
    const step = nice((this.end / 1000 / Math.max(width - LEFT, 1)) * 70);
    for (let s = 0; s * 1000 <= this.end; s += step) {
      const last = x(s * 1000) > width - 24;
      pen.fillText(short(s) + (s ? "" : " s"), Math.min(x(s * 1000), width - (last ? 12 : 0)), height - 2);
    }
    this.draw(pen, x, y);
    pen.strokeStyle = colour("--text");
    pen.lineWidth = 1.5;
    line(pen, x(t), TOP - 4, x(t), height - BOTTOM);
    this.canvas.dataset.t = Math.round(t);
  }
}

function line(pen, x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}

/** A round number of at least `least`. */
function nice(least, steps = [1, 2, 5, 10]) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1e-3)));
  return power * steps.find((step) => step * power >= 0.9999 * Math.max(least, 1e-3));
}

function short(value) {
  return String(Number(value.toPrecision(3)));
}

/** A line through the values that are there. */
function curve(pen, times, values, x, y, steps) {
  pen.beginPath();
  let before = null;
  values.forEach((value, k) => {
    if (value !== null) {
      if (before === null) pen.moveTo(x(times[k]), y(value));
      else if (steps) pen.lineTo(x(times[k]), y(before));
      pen.lineTo(x(times[k]), y(value));
      if (before === null && (k + 1 === values.length || values[k + 1] === null)) pen.lineTo(x(times[k]) + 1.5, y(value));
    }
    before = value;
  });
  pen.stroke();
}

/** The three charts of a run, each with a line that says what is now. */
function chartsOf(data, element, seek) {
  const { t: times, end } = data;
  const speed = data.ego.v.map((v) => v * 0.036), limit = data.limit.map((v) => (v === null ? null : v * 0.036));
  const ttc = data.ttc.map((ms) => (ms === null ? null : ms / 1000));
  const names = Object.keys(data.stages), stages = names.map((name) => data.stages[name].map((us) => us / 1000));
  const total = times.map((_, k) => stages.reduce((sum, values) => sum + values[k], 0));
  const sorted = [...total].sort((a, b) => a - b), usual = sorted[Math.floor(0.97 * (sorted.length - 1))];
  const fastest = Math.max(...speed, ...limit.map((v) => v || 0), 10);

  const speeds = new Chart(element("speed"), end, 10 * Math.ceil(fastest / 10), "km/h", (pen, x, y) => {
    pen.lineWidth = 1.5;
    pen.setLineDash([5, 4]);
    pen.strokeStyle = colour("--bad");
    curve(pen, times, limit, x, y, true);
    pen.setLineDash([]);
    pen.lineWidth = 2;
    pen.strokeStyle = colour("--accent");
    curve(pen, times, speed, x, y);
  }, seek);
  const collisions = new Chart(element("ttc"), end, 10, "s", (pen, x, y) => {
    pen.lineWidth = 2;
    pen.strokeStyle = colour("--warn");
    curve(pen, times, ttc, x, y);
  }, seek);
  const durations = new Chart(element("stages"), end, nice(1.1 * usual, [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10]), "ms", (pen, x, y) => {
    const floor = times.map(() => 0);
    stages.forEach((values, i) => {
      pen.fillStyle = STAGES[i % STAGES.length];
      pen.beginPath();
      times.forEach((time, k) => pen.lineTo(x(time), y(floor[k] + values[k])));
      for (let k = times.length - 1; k >= 0; k--) pen.lineTo(x(times[k]), y(floor[k]));
      pen.fill();
      values.forEach((value, k) => (floor[k] += value));
    });
  }, seek);

  const legend = names.map((name, i) => {
    const item = document.createElement("li"), key = document.createElement("i"), text = document.createElement("span");
    key.style.background = STAGES[i % STAGES.length];
    item.append(key, text);
    element("stage-names").append(item);
    return text;
  });
  const say = (id, text) => {
    element(id + "-now").textContent = text;
    element(id).setAttribute("aria-label", text);
  };
  return (t) => {
    const k = Math.max(lastUpTo(times, t), 0);
    for (const chart of [speeds, collisions, durations]) chart.show(t);
    say("speed", `${speed[k].toFixed(1)} km/h` + (limit[k] === null ? "" : `, limit ${limit[k].toFixed(0)} km/h`));
    say("ttc", ttc[k] === null ? "none within 10 s" : `${ttc[k].toFixed(2)} s`);
    say("stages", names.length ? `${total[k].toFixed(1)} ms in all` : "not recorded");
    names.forEach((name, i) => (legend[i].textContent = `${name} ${stages[i][k].toFixed(1)} ms`));
  };
}
