// The bird's-eye view: map, paths, agents and ego. Places are in cm, angles in mrad, times in ms.

const COLOURS = {
  car: "--car", truck: "--large", "construction vehicle": "--large", bus: "--large", trailer: "--large",
  motorcycle: "--bike", bicycle: "--bike", pedestrian: "--person",
};
const SIGNALS = ["#6b7280", "#ef4444", "#f5b83d", "#22c55e"]; // off, red, yellow, green

/** A CSS variable of the page. */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A canvas in device pixels, cleared, with CSS pixels as its unit. */
function cleared(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas, ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

/** Index of the last time that is not after `t`; -1 if all are. */
function lastUpTo(times, t) {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= t) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Bytes of a base64 text. */
function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

class Above {
  /** @param wheels whether the wheel zooms; where the page scrolls past, it needs Ctrl with it */
  constructor(data, canvas, place, wheels = true) {
    Object.assign(this, { data, canvas, place, wheels, zoom: 1, follows: true, paths: true, lidar: true, pan: [0, 0] });
    this.lanes = (data.ground.lanes || []).map((lane) => this.shapes(lane));
    if (data.ground.picture) {
      this.picture = new Image();
      this.picture.onload = () => this.show(this.t || 0);
      this.picture.src = "data:image/png;base64," + data.ground.picture.png;
    }
    const around = (values) => [Math.min(...values), Math.max(...values)];
    this.extent = [...around(data.ego.x), ...around(data.ego.y)];
    canvas.addEventListener("wheel", (event) => {
      if (!wheels && !event.ctrlKey) return;
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY * 0.0015));
    }, { passive: false });
    let from = null;
    canvas.addEventListener("pointerdown", (event) => {
      from = [event.clientX, event.clientY];
      this.tellOf(event.offsetX, event.offsetY);
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (from) {
        this.pan[0] += event.clientX - from[0];
        this.pan[1] += event.clientY - from[1];
        from = [event.clientX, event.clientY];
        this.show(this.t);
      } else this.tellOf(event.offsetX, event.offsetY);
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (from = null));
    canvas.addEventListener("pointerleave", () => this.tellOf(null));
  }

  shapes(lane) {
    const area = new Path2D(), lines = [lane.left, lane.right].map(lineOf);
    area.addPath(lines[0]);
    for (let i = lane.right.length - 2; i >= 0; i -= 2) area.lineTo(lane.right[i], lane.right[i + 1]);
    area.closePath();
    return { kind: lane.kind, area, lines, marks: lane.marks };
  }

  zoomBy(factor) {
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.2), 12);
    this.show(this.t);
  }

  follow(follows) {
    Object.assign(this, { follows, zoom: 1, pan: [0, 0] });
    this.show(this.t);
  }

  /** The ego between two moments. */
  egoAt(t) {
    const { t: times, ego } = this.data, k = Math.max(lastUpTo(times, t), 0), n = Math.min(k + 1, times.length - 1);
    const part = n > k ? Math.min((t - times[k]) / (times[n] - times[k]), 1) : 0;
    return between(ego.x, ego.y, ego.yaw, k, n, part);
  }

  show(t) {
    this.t = t;
    const { data, canvas } = this, { pen, width, height } = cleared(canvas);
    const k = Math.max(lastUpTo(data.t, t), 0), ego = this.egoAt(t);
    pen.fillStyle = colour("--ground");
    pen.fillRect(0, 0, width, height);
    pen.save();
    this.look(pen, width, height, ego);
    this.drawGround(pen);
    if (this.lidar && data.lidar) this.drawSweep(pen, t);
    if (this.paths) this.drawPaths(pen, k, ego);
    this.drawSignals(pen, k);
    this.shown = this.drawAgents(pen, k, t);
    const [length, breadth, forward] = data.ego.size;
    const centre = { x: ego.x + 100 * forward * Math.cos(ego.yaw), y: ego.y + 100 * forward * Math.sin(ego.yaw), yaw: ego.yaw };
    this.box(pen, centre, length, breadth, colour("--ego"));
    pen.restore();
    this.scaleBar(pen, width, height);
    canvas.dataset.t = Math.round(t);
    canvas.dataset.ego = `${(ego.x / 100).toFixed(1)},${(ego.y / 100).toFixed(1)}`;
    if (!this.told) this.tellOf(null);
  }

  /** Map to screen: forward up around the ego, or north up with the whole drive. */
  look(pen, width, height, ego) {
    const [x0, x1, y0, y1] = this.extent;
    if (this.follows) this.scale = Math.min(width, height) / 7000 * this.zoom;
    else this.scale = Math.min(width / (x1 - x0 + 4000), height / (y1 - y0 + 4000)) * this.zoom;
    pen.translate(width / 2 + this.pan[0], height * (this.follows ? 0.62 : 0.5) + this.pan[1]);
    pen.scale(this.scale, -this.scale);
    if (this.follows) {
      pen.rotate(Math.PI / 2 - ego.yaw);
      pen.translate(-ego.x, -ego.y);
    } else pen.translate(-(x0 + x1) / 2, -(y0 + y1) / 2);
    this.matrix = pen.getTransform();
  }

  drawGround(pen) {
    const { ground } = this.data, thin = 1 / this.scale;
    if (this.picture && this.picture.complete) {
      const [x0, y0, x1, y1] = ground.picture.corners;
      pen.save();
      pen.scale(1, -1);
      pen.drawImage(this.picture, x0, -y1, x1 - x0, y1 - y0);
      pen.restore();
    }
    if (!ground.lanes) return;
    for (const kind of ["strip", "walk", "road"]) {
      pen.fillStyle = pen.strokeStyle = colour("--" + kind);
      pen.lineWidth = thin;
      for (const lane of this.lanes) {
        if (lane.kind !== kind) continue;
        pen.fill(lane.area);
        pen.stroke(lane.area);
      }
    }
    pen.fillStyle = colour("--crossing");
    for (const flat of ground.crossings) pen.fill(lineOf(flat));
    for (const lane of this.lanes) {
      lane.marks.forEach((mark, side) => {
        if (mark === "none" || lane.kind !== "road") return;
        pen.strokeStyle = colour(mark.endsWith("yellow") ? "--yellow" : "--mark");
        pen.lineWidth = Math.max(15, 0.8 * thin);
        pen.setLineDash(mark.startsWith("broken") ? [300, 450] : []);
        pen.stroke(lane.lines[side]);
      });
    }
    pen.setLineDash([]);
    pen.strokeStyle = colour("--mark");
    pen.lineWidth = 40;
    for (const flat of ground.stops) pen.stroke(lineOf(flat));
    pen.fillStyle = colour("--house");
    for (const flat of ground.houses) pen.fill(lineOf(flat));
    pen.fillStyle = colour("--tree");
    for (const [x, y] of ground.trees) disc(pen, x, y, 180);
  }

  drawSweep(pen, t) {
    const { lidar } = this.data, k = lastUpTo(lidar.t, t);
    if (k < 0) return;
    const raw = bytes(lidar.points[k]), labels = bytes(lidar.labels[k]), at = this.egoAt(lidar.t[k]);
    const points = new DataView(raw.buffer), size = 1.6 / this.scale, unit = 100 * lidar.unit;
    const c = Math.cos(at.yaw), s = Math.sin(at.yaw);
    pen.globalAlpha = 0.75;
    for (let i = 0; i < labels.length; i++) {
      const x = unit * points.getInt16(4 * i, true), y = unit * points.getInt16(4 * i + 2, true);
      pen.fillStyle = lidar.colours[labels[i]];
      pen.fillRect(at.x + c * x - s * y - size / 2, at.y + s * x + c * y - size / 2, size, size);
    }
    pen.globalAlpha = 1;
  }

  /** Where everybody has been, and, dotted, where they will go. */
  drawPaths(pen, k, now) {
    const { ego, agents } = this.data, thin = 1 / this.scale;
    const way = (xs, ys, from, to, here) => {
      pen.beginPath();
      for (let i = from; i <= to; i++) pen.lineTo(xs[i], ys[i]);
      if (here) pen.lineTo(here.x, here.y);
      pen.stroke();
    };
    for (const agent of agents) {
      if (agent.x.length < 2) continue;
      pen.strokeStyle = colour(COLOURS[agent.cls] || "--prop");
      pen.lineWidth = 1.5 * thin;
      const here = Math.min(k - agent.at, agent.n - 1);
      pen.globalAlpha = 0.75;
      pen.setLineDash([]);
      if (here > 0) way(agent.x, agent.y, 0, here);
      pen.globalAlpha = 0.5;
      pen.setLineDash([2 * thin, 4 * thin]);
      way(agent.x, agent.y, Math.max(here, 0), agent.n - 1);
    }
    pen.strokeStyle = colour("--route");
    pen.lineWidth = 3 * thin;
    pen.globalAlpha = 0.9;
    pen.setLineDash([]);
    way(ego.x, ego.y, 0, k, now);
    pen.globalAlpha = 0.7;
    pen.setLineDash([3 * thin, 5 * thin]);
    way(ego.x, ego.y, k, ego.x.length - 1);
    pen.setLineDash([]);
    pen.globalAlpha = 1;
  }

  drawSignals(pen, k) {
    const { signals, ground } = this.data, now = lastUpTo(signals.map((change) => change[0]), k);
    const states = now < 0 ? [] : signals[now][1], size = Math.max(90, 4 / this.scale);
    for (const { index, at } of ground.signals || []) {
      pen.fillStyle = SIGNALS[states[index] || 0] || SIGNALS[0];
      disc(pen, at[0], at[1], size);
      pen.strokeStyle = colour("--card");
      pen.lineWidth = size / 4;
      pen.stroke();
    }
  }

  drawAgents(pen, k, t) {
    const { agents, t: times } = this.data, shown = [];
    for (const agent of agents) {
      const i = k - agent.at;
      if (i < 0 || i >= agent.n) continue;
      const a = Math.min(i, agent.x.length - 1), b = Math.min(i + 1, agent.x.length - 1);
      const gap = k + 1 < times.length ? times[k + 1] - times[k] : 0;
      const here = between(agent.x, agent.y, agent.yaw, a, b, gap ? Math.min((t - times[k]) / gap, 1) : 0);
      this.box(pen, here, agent.size[0], agent.size[1], colour(COLOURS[agent.cls] || "--prop"));
      shown.push({ ...here, agent, v: agent.v[Math.min(a, agent.v.length - 1)] });
    }
    return shown;
  }

  /** A body from above, in m, with a notch where its front is. */
  box(pen, { x, y, yaw }, length, breadth, fill) {
    const least = 5 / this.scale, l = Math.max(100 * length, least), w = Math.max(100 * breadth, least);
    pen.save();
    pen.translate(x, y);
    pen.rotate(yaw);
    pen.fillStyle = fill;
    pen.beginPath();
    pen.roundRect(-l / 2, -w / 2, l, w, Math.min(l, w) / 5);
    pen.fill();
    pen.strokeStyle = colour("--card");
    pen.lineWidth = 1 / this.scale;
    pen.stroke();
    if (l > 150) {
      pen.fillStyle = colour("--card");
      pen.globalAlpha = 0.75;
      pen.beginPath();
      pen.moveTo(l * 0.42, 0);
      pen.lineTo(l * 0.18, w * 0.32);
      pen.lineTo(l * 0.18, -w * 0.32);
      pen.fill();
      pen.globalAlpha = 1;
    }
    pen.restore();
  }

  scaleBar(pen, width, height) {
    const most = 90 / (100 * this.scale), power = 10 ** Math.floor(Math.log10(most));
    const metres = power * [5, 2, 1].find((step) => step * power <= most), long = metres * 100 * this.scale;
    pen.strokeStyle = pen.fillStyle = colour("--text");
    pen.lineWidth = 2;
    pen.beginPath();
    pen.moveTo(10, height - 14);
    pen.lineTo(10, height - 10);
    pen.lineTo(10 + long, height - 10);
    pen.lineTo(10 + long, height - 14);
    pen.stroke();
    pen.font = "12px system-ui, sans-serif";
    pen.fillText(`${metres} m`, 16, height - 16);
  }

  /** Say who is under the pointer. */
  tellOf(x, y) {
    const agents = (this.shown || []).length;
    const how = matchMedia("(pointer: coarse)").matches ? "tap one" : `drag to move, ${this.wheels ? "wheel" : "Ctrl and wheel"} to zoom`;
    let text = `${agents} ${agents === 1 ? "agent" : "agents"} near; ${how}`;
    this.told = false;
    if (x !== null && x !== undefined && this.matrix) {
      const ratio = window.devicePixelRatio || 1, inverse = this.matrix.inverse();
      const at = inverse.transformPoint({ x: x * ratio, y: y * ratio });
      const close = (one) => Math.hypot(one.x - at.x, one.y - at.y);
      const best = (this.shown || []).reduce((a, b) => (a && close(a) < close(b) ? a : b), null);
      if (best && close(best) < Math.max(50 * best.agent.size[0], 10 / this.scale)) {
        this.told = true;
        text = `${best.agent.cls} ${best.agent.id}, ${(best.v * 0.036).toFixed(0)} km/h`;
      }
    }
    this.place.textContent = text;
  }
}

function lineOf(flat) {
  const line = new Path2D();
  for (let i = 0; i < flat.length; i += 2) line[i ? "lineTo" : "moveTo"](flat[i], flat[i + 1]);
  return line;
}

function disc(pen, x, y, radius) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fill();
}

/** A pose between two rows of columns; yaw in rad. */
function between(xs, ys, yaws, a, b, part) {
  const turn = ((((yaws[b] - yaws[a]) / 1000 + Math.PI) % (2 * Math.PI)) + 2 * Math.PI) % (2 * Math.PI) - Math.PI;
  return { x: xs[a] + part * (xs[b] - xs[a]), y: ys[a] + part * (ys[b] - ys[a]), yaw: yaws[a] / 1000 + part * turn };
}
