// A case that is opened: why it failed, its drive from above, its curves, its criteria and numbers.

const MARK_CM = 320; // radius of the ring around the ego where a criterion began to fail

/** A violation as text, its criterion first and strong. */
function worded({ criterion, text }) {
  const words = readable(text);
  if (!text.startsWith(criterion)) return [words];
  return [made("b", criterion.replaceAll("_", " "), "bad"), words.slice(criterion.length)];
}

/** What deflate and base64 have packed. */
async function unpacked(text) {
  const body = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(body).text());
}

/** The drive from above, with the route and a ring at each failure. */
class CaseAbove extends Above {
  drawPaths(pen, k, now) {
    const thin = 1 / this.scale, { route, moments } = this.data;
    pen.strokeStyle = colour("--faint");
    pen.lineWidth = 1.5 * thin;
    pen.setLineDash([6 * thin, 5 * thin]);
    pen.stroke(lineOf(route));
    super.drawPaths(pen, k, now);
    pen.setLineDash([]);
    pen.strokeStyle = colour("--bad");
    pen.lineWidth = 2.5 * thin;
    for (const t of moments) {
      if (t === null) continue;
      const { x, y } = this.egoAt(t);
      pen.beginPath();
      pen.arc(x, y, Math.max(MARK_CM, 9 * thin), 0, 2 * Math.PI);
      pen.stroke();
    }
  }
}

/** The charts of a drive, with a line at each failure; called with a time, they show it. */
function curvesOf({ curves, moments, end }, least, part, seek) {
  const { t: times } = curves, scaled = (values, by) => values.map((one) => (one === null ? null : one * by));
  const speed = scaled(curves.v, 0.036), limit = scaled(curves.limit, 0.036), ttc = scaled(curves.ttc, 0.001);
  const fastest = Math.max(...speed, ...limit, 10);
  const failures = (pen, x, height) => {
    pen.strokeStyle = colour("--bad");
    pen.lineWidth = 1.5;
    pen.setLineDash([2, 3]);
    for (const t of moments) if (t !== null) line(pen, x(t), TOP - 4, x(t), height);
    pen.setLineDash([]);
    pen.fillStyle = colour("--bad");
    for (const t of moments) if (t !== null) disc(pen, x(t), TOP - 2, 3.5);
  };
  /** What a dashed line is, over it and to the left of `x`. */
  const label = (pen, text, x, y) => {
    pen.textAlign = "right";
    pen.fillStyle = colour("--faint");
    pen.fillText(text, x, y < 14 ? y + 12 : y - 4);
  };
  const last = limit.lastIndexOf(Math.max(...limit.filter((one) => one !== null))); // where it is farthest from the speed
  const charts = [
    new Chart(part("speed"), end, 10 * Math.ceil(fastest / 10), "km/h", (pen, x, y) => {
      failures(pen, x, y(0));
      pen.lineWidth = 1.5;
      pen.setLineDash([5, 4]);
      pen.strokeStyle = colour("--faint");
      curve(pen, times, limit, x, y, true);
      if (last >= 0) label(pen, "limit", x(times[last]), y(limit[last]));
      pen.setLineDash([]);
      pen.lineWidth = 2;
      pen.strokeStyle = colour("--accent");
      curve(pen, times, speed.map((one) => (one === null ? null : Math.abs(one))), x, y); // backwards, too
    }, seek),
    new Chart(part("ttc"), end, 10, "s", (pen, x, y) => {
      failures(pen, x, y(0));
      if (least !== null) {
        pen.lineWidth = 1.5;
        pen.setLineDash([5, 4]);
        pen.strokeStyle = colour("--faint");
        line(pen, x(0), y(least), x(end), y(least));
        label(pen, "asked for", x(end), y(least));
        pen.setLineDash([]);
      }
      pen.lineWidth = 2;
      pen.strokeStyle = colour("--warn");
      curve(pen, times, ttc, x, y);
    }, seek),
  ];
  const say = (name, text) => {
    part(name + "-now").textContent = text;
    part(name).setAttribute("aria-label", text);
  };
  return (t) => {
    const k = Math.max(lastUpTo(times, t), 0), bound = limit[k] === null ? "" : `, limit ${limit[k].toFixed(0)} km/h`;
    for (const chart of charts) chart.show(t);
    say("speed", speed[k] === null ? "not known" : `${speed[k].toFixed(1)} km/h${bound}`);
    say("ttc", (ttc[k] === null ? "none" : `${ttc[k].toFixed(2)} s`) + (least === null ? "" : `, at least ${short(least)} s`));
  };
}

class CaseView {
  /**
   * @param one the case
   * @param ground called with the reference of a map, promises its shapes
   * @param moved called with a time in ms when it is set
   */
  constructor(one, ground, moved) {
    Object.assign(this, { one, ground, moved });
    this.root = document.getElementById("detail").content.firstElementChild.cloneNode(true);
    this.part = (name) => this.root.querySelector(`[data-part="${name}"]`);
    this.fillWhy();
    this.fillNumbers();
  }

  /** Show the drive, at a time or, without one, where it began to fail. */
  async open(t = null) {
    const { one, part } = this;
    this.fillVideo();
    if (!one.drive) {
      part("charts").remove();
      if (one.video) return part("drive").remove();
      this.root.querySelector(".pictures").remove();
      this.root.classList.add("bare");
      return;
    }
    const drive = await unpacked(one.drive);
    drive.ground = (one.ground && (await this.ground(one.ground))) || {};
    for (const name of ["crossings", "stops", "houses", "trees"]) drive.ground[name] ||= [];
    const failures = drive.moments.filter((moment) => moment !== null);
    this.build(drive);
    this.playback.seek(t ?? (failures.length ? Math.min(...failures) : one.success ? 0 : drive.end));
    new ResizeObserver(() => this.root.isConnected && this.playback.show()).observe(this.root);
  }

  build(drive) {
    const { part } = this, seek = (t) => this.playback.seek(t);
    const above = new CaseAbove(drive, part("map"), part("place"), false);
    const show = curvesOf(drive, this.one.least_ttc_s, part, seek);
    this.fillMarks(drive, seek);
    this.fillLegend(drive);
    this.playback = new Playback(drive.end, () => {
      const { t } = this.playback;
      above.show(t);
      show(t);
      this.showVideo();
    }, () => {
      this.showVideo();
      this.moved(this.playback.t);
    });
    this.playback.attach(part("play"), part("time"), part("clock"), part("rate"));
    part("paths").addEventListener("change", () => { above.paths = part("paths").checked; this.playback.show(); });
    for (const name of ["follow", "whole"]) {
      part(name).addEventListener("click", () => {
        for (const other of ["follow", "whole"]) part(other).setAttribute("aria-pressed", String(other === name));
        above.follow(name === "follow");
      });
    }
    part("closer").addEventListener("click", () => above.zoomBy(1.4));
    part("farther").addEventListener("click", () => above.zoomBy(1 / 1.4));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.root.isConnected && this.playback.show());
    this.one.violations.forEach((_, k) => {
      const go = this.part("why").querySelectorAll("button")[k];
      if (drive.moments[k] === null) return;
      go.disabled = false;
      go.addEventListener("click", () => { this.playback.play(false); seek(drive.moments[k]); });
    });
  }

  /** Where criteria began to fail, above the slider of time. */
  fillMarks({ moments, end }, seek) {
    moments.forEach((t, k) => {
      if (t === null) return;
      const mark = made("button");
      mark.type = "button";
      mark.title = this.one.violations[k].text;
      mark.setAttribute("aria-label", mark.title);
      mark.style.left = (100 * t) / Math.max(end, 1) + "%";
      mark.addEventListener("click", () => { this.playback.play(false); seek(t); });
      this.part("marks").append(mark);
    });
  }

  fillLegend({ agents, route, moments }) {
    const entries = new Map([["--ego", ["ego"]]]);
    for (const { cls } of agents) {
      const names = entries.get(COLOURS[cls] || "--prop") || [];
      if (!names.includes(cls)) entries.set(COLOURS[cls] || "--prop", [...names, cls]);
    }
    const add = (text, shape, paint) => {
      const row = made("li"), key = made("i", undefined, shape);
      if (paint) key.style.background = `var(${paint})`;
      row.append(key, text);
      this.part("legend").append(row);
    };
    for (const [paint, names] of entries) add(names.join(", "), "", paint);
    if (route.length) add("route", "dashes");
    if (moments.some((t) => t !== null)) add("failed here", "ring");
  }

  fillWhy() {
    const { one } = this, why = this.part("why");
    if (!one.error && !one.violations.length) return;
    why.append(made("h2", one.success ? `${one.status}, as this driver may` : `${one.status}, expected ${one.accepts.join(" or ")}`));
    if (one.error) why.append(made("p", one.error));
    const list = made("ul");
    for (const violation of one.violations) {
      const { moment_s: moment } = violation, row = made("li"), go = made("button");
      go.type = "button";
      go.disabled = true; // until there is a drive to go to
      const told = made("span");
      told.append(...worded(violation));
      go.append(made("b", moment === null ? "end" : `${moment.toFixed(2)} s`), told);
      row.append(go);
      list.append(row);
    }
    why.append(list);
  }

  fillNumbers() {
    const { one, part } = this;
    if (one.criteria.length) fillTable(part("criteria"), one.criteria);
    else part("criteria").replaceWith(made("p", "Nothing was judged.", "caption"));
    const seconds = (s) => `${s.toFixed(1)} s`;
    const sensors = Object.entries(one.sensors).flatMap(([sensor, of]) => Object.entries(of).map(([name, value]) => [`${sensor} ${name}`, value]));
    const groups = {
      Scores: one.scores, Parameters: one.parameters, Measured: one.measured, Sensors: Object.fromEntries(sensors),
      Run: {
        file: one.file, seed: one.seed, tags: one.tags.join(", "), length: seconds(one.simulated_s), took: seconds(one.wall_s),
        recording: one.recording, digest: one.digest, "run again": one.recording && `uniscene-sim replay ${one.recording}`,
      },
    };
    for (const [title, values] of Object.entries(groups)) {
      const entries = Object.entries(values).filter(([, value]) => value !== "" && (title !== "Run" || value !== null));
      if (!entries.length) continue;
      const group = made("div", undefined, title === "Run" ? "lines" : ""), list = made("dl");
      for (const [name, value] of entries) {
        const text = value === null ? "–" : typeof value === "number" && title !== "Run" ? short(value) : String(value);
        const pair = made("div"); // kept together where the list breaks into columns
        pair.append(made("dt", name.replaceAll("_", " ")), made("dd", text));
        list.append(pair);
      }
      group.append(made("h2", title), list);
      part("facts").append(group);
    }
  }

  fillVideo() {
    if (!this.one.video) return this.part("video").remove();
    this.video = made("video");
    Object.assign(this.video, { muted: true, playsInline: true, preload: "auto", controls: !this.one.drive });
    this.video.setAttribute("aria-label", `What the cameras saw in ${this.one.name}`);
    this.video.src = "data:video/mp4;base64," + this.one.video;
    this.part("video").append(this.video);
  }

  /** The video goes with the time. */
  showVideo() {
    const { video, playback } = this;
    if (!video) return;
    const now = playback.t / 1000;
    if (playback.playing) {
      video.playbackRate = playback.rate;
      if (video.paused) video.play().catch(() => {}); // it may not; then it jumps
      if (Math.abs(video.currentTime - now) > 0.3) video.currentTime = now;
    } else {
      video.pause();
      video.currentTime = now;
    }
  }

  close() {
    if (this.playback && this.playback.playing) this.playback.play(false);
  }
}
