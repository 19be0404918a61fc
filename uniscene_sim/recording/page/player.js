// The player: one time for all panels. It is in the address as #t=SECONDS, with &camera=NAME for one camera.

const data = JSON.parse(document.getElementById("run").textContent);
const element = (id) => document.getElementById(id);
const player = new Playback(data.end, show, keepInAddress);
player.camera = null;

// --- cameras -----------------------------------------------------------------------------------------------------

const figures = data.cameras.map((camera, number) => {
  const figure = made("figure"), picture = made("img");
  picture.width = camera.width;
  picture.height = camera.height;
  picture.alt = camera.name;
  picture.decoding = "sync";
  figure.append(picture, made("figcaption", camera.name));
  figure.addEventListener("click", () => choose(player.camera === null ? number : null));
  element("pictures").append(figure);
  return { camera, figure, picture, at: -2 };
});

function showPictures(t) {
  for (const one of figures) {
    const k = Math.max(lastUpTo(one.camera.t, t), 0);
    if (k !== one.at && !one.figure.hidden) {
      one.picture.src = "data:image/webp;base64," + one.camera.frames[k];
      one.figure.dataset.t = one.camera.t[k];
      one.at = k;
    }
  }
}

function choose(number) {
  player.camera = number;
  figures.forEach((one, k) => (one.figure.hidden = number !== null && k !== number));
  element("pictures").classList.toggle("one", number !== null);
  if (number !== null) {
    const { width, height } = data.cameras[number];
    element("pictures").style.setProperty("--aspect", width / height);
  }
  [...element("camera-choice").children].forEach((button, k) =>
    button.setAttribute("aria-pressed", String(k === (number === null ? 0 : number + 1))));
  seek(player.t);
}

if (data.cameras.length) {
  ["All", ...data.cameras.map((camera) => camera.name)].forEach((name, k) => {
    const button = made("button", name.replace(/^CAM_/, "").replaceAll("_", " ").toLowerCase());
    if (!k) button.textContent = "All";
    button.addEventListener("click", () => choose(k ? k - 1 : null));
    element("camera-choice").append(button);
  });
  element("pictures").style.setProperty("--columns", data.cameras.length < 5 ? Math.min(data.cameras.length, 2) : 3);
} else {
  element("pictures").replaceWith(made("p", "No pictures were recorded.", "none"));
  element("camera-choice").remove();
}

// --- facts, criteria and events ----------------------------------------------------------------------------------

const { run, outcome } = data;
const KINDS = { contact: "bad", off_road: "bad", red_light: "bad", action: "", outcome: "" };

document.title = run.title + " · uniscene_sim";
element("title").textContent = run.title;
element("status").textContent = outcome ? outcome.status : "NOT FINISHED";
element("status").classList.add(outcome ? GRADES[outcome.status] || "warn" : "warn");
element("summary").textContent = `${(data.end / 1000).toFixed(1)} s · seed ${run.seed} · ${run.map} · ${run.weather}`;

function fillCriteria() {
  const rows = outcome ? outcome.criteria : [];
  if (rows.length) fillTable(element("criteria"), rows);
  else element("criteria").replaceWith(made("p", outcome ? "None." : "The run was stopped before its end.", "caption"));
}

/** An event in words. */
function worded({ kind, about }) {
  const [first, second] = about;
  if (kind === "contact") return first === "static" ? "contact with a building or plant" : `contact with ${first}`;
  if (kind === "action") return `${second}: ${String(first).replaceAll("_", " ")}`;
  if (kind === "red_light") return `red light ${first} passed`;
  if (kind === "outcome") return `end: ${first}`;
  if (kind === "edit" || kind === "undo") {
    const what = [String(first).replaceAll("_", " "), ...about.slice(1)].join(" ");
    return kind === "edit" ? `edit: ${what}` : `edit taken back: ${what}`;
  }
  return [kind.replaceAll("_", " "), ...about].join(" ");
}

const events = [...data.events];
events.push({ kind: "outcome", about: [outcome ? outcome.status : "recording ends"], t: data.end, until: data.end });
const cursor = made("div", undefined, "cursor");

function fillEvents() {
  const rail = made("div", undefined, "rail");
  for (const event of events) {
    const grade = event.kind === "outcome" ? (outcome ? GRADES[outcome.status] : "warn") : KINDS[event.kind] ?? "";
    const text = `${(event.t / 1000).toFixed(2)} s: ${worded(event)}`, mark = made("button", undefined, grade);
    mark.title = text;
    mark.setAttribute("aria-label", text);
    mark.style.left = (100 * event.t) / Math.max(data.end, 1) + "%";
    const long = event.until - event.t >= 200;
    mark.style.width = long ? (100 * (event.until - event.t)) / Math.max(data.end, 1) + "%" : ".8rem";
    if (long) mark.classList.add("long");
    if (event.kind === "outcome") mark.classList.add("end");
    mark.addEventListener("click", () => seek(event.t));
    rail.append(mark);
    const row = made("li"), go = made("button");
    go.append(made("b", `${(event.t / 1000).toFixed(2)} s`), made("span", worded(event), grade));
    go.addEventListener("click", () => seek(event.t));
    row.append(go);
    event.row = row;
    element("happened").append(row);
  }
  rail.append(cursor);
  element("events").append(rail);
}

function showEvents(t) {
  cursor.style.left = (100 * t) / Math.max(data.end, 1) + "%";
  element("events").dataset.t = Math.round(t);
  let last = null;
  for (const event of events) {
    const past = event.t <= t + 0.5;
    event.row.classList.toggle("past", past);
    if (past) last = event;
  }
  element("event-now").textContent = last ? `${(last.t / 1000).toFixed(1)} s: ${worded(last)}` : "nothing yet";
}

function fillFacts() {
  const pairs = (of) => Object.entries(of).map(([name, value]) => `${name} ${value}`).join(", ");
  const facts = {
    scenario: run.title, seed: run.seed, map: run.map, weather: run.weather, rig: run.rig,
    engines: pairs(run.engines), "rays through": run.trace, versions: pairs(run.versions), page: `uniscene_sim ${run.page}`,
  };
  for (const [name, value] of Object.entries(facts)) element("facts").append(made("dt", name), made("dd", value || "–"));
  for (const note of data.notes) element("notes").append(made("li", note));
}

// --- one time for all ---------------------------------------------------------------------------------------------

const above = new Above(data, element("map"), element("place"));
const showCharts = chartsOf(data, element, seek);

function show() {
  const { t } = player;
  showPictures(t);
  above.show(t);
  showCharts(t);
  showEvents(t);
}

function seek(t) {
  player.seek(t);
}

function keepInAddress() {
  const camera = player.camera === null ? "" : `&camera=${encodeURIComponent(data.cameras[player.camera].name)}`;
  try {
    history.replaceState(null, "", `#t=${(player.t / 1000).toFixed(2)}${camera}`);
  } catch { /* an address that may not change is no harm */ }
}

/** One moment on or back. */
function step(by) {
  player.play(false);
  const k = lastUpTo(data.t, player.t + 0.5);
  if (by < 0 && data.t[Math.max(k, 0)] < player.t - 0.5) return seek(data.t[Math.max(k, 0)]);
  seek(data.t[Math.min(Math.max(k + by, 0), data.t.length - 1)]);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select")) return;
  const second = event.shiftKey ? 1000 : 0;
  const keys = {
    ArrowLeft: () => (second ? seek(player.t - second) : step(-1)),
    ArrowRight: () => (second ? seek(player.t + second) : step(1)),
    Home: () => seek(0), End: () => seek(data.end), 0: () => choose(null),
    " ": () => player.play(!player.playing),
  };
  if (event.key === " " && event.target.closest("button, input[type=checkbox]")) return; // it presses that
  if (/^[1-9]$/.test(event.key) && event.key <= data.cameras.length) choose(Number(event.key) - 1);
  else if (keys[event.key]) keys[event.key]();
  else return;
  event.preventDefault();
}

function readAddress() {
  const wanted = new URLSearchParams(location.hash.slice(1)), t = Number(wanted.get("t"));
  const number = data.cameras.findIndex((camera) => camera.name === wanted.get("camera"));
  player.t = Number.isFinite(t) ? Math.min(Math.max(t * 1000, 0), data.end) : 0;
  if (data.cameras.length) choose(number < 0 ? null : number);
  else seek(player.t);
}

fillCriteria();
fillEvents();
fillFacts();
element("lidar-choice").hidden = !data.lidar;
player.attach(element("play"), element("time"), element("clock"), element("rate"));
for (const name of ["paths", "lidar"]) {
  element(name).addEventListener("change", () => { above[name] = element(name).checked; show(); });
}
for (const name of ["follow", "whole"]) {
  element(name).addEventListener("click", () => {
    for (const other of ["follow", "whole"]) element(other).setAttribute("aria-pressed", String(other === name));
    above.follow(name === "follow");
  });
}
element("closer").addEventListener("click", () => above.zoomBy(1.4));
element("farther").addEventListener("click", () => above.zoomBy(1 / 1.4));
document.addEventListener("keydown", onKey);
window.addEventListener("hashchange", readAddress);
new ResizeObserver(show).observe(document.body);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
readAddress();
