// The batch: summary, filters and the table of its cases. The address holds what is open, as #case=NAME&t=SECONDS.

const batch = JSON.parse(document.getElementById("batch").textContent);
const element = (id) => document.getElementById(id);
const { cases } = batch, failed = cases.length - batch.passed;
const seconds = (s) => (s < 120 ? `${s.toFixed(1)} s` : `${(s / 60).toFixed(1)} min`);
const chosen = { verdict: "all", statuses: new Set(), tags: new Set() };

// --- summary -------------------------------------------------------------------------------------------------------

document.title = `${failed ? `${failed} failed` : cases.length ? "passed" : "nothing tested"} · ${batch.driver} · uniscene_sim`;
element("title").textContent = `Scenarios driven by ${batch.driver}`;
element("verdict").textContent = !cases.length ? "NOTHING TESTED" : failed ? `${failed} FAILED` : "ALL PASSED";
element("verdict").classList.add(!cases.length ? "warn" : failed ? "bad" : "good");
const counts = Object.entries(batch.statuses).map(([status, count]) => `${count} ${status}`).join(", ");
element("summary").textContent = [
  `${batch.passed} of ${cases.length} passed`, counts, `${seconds(batch.simulated_s)} driven`,
  `${seconds(batch.wall_s)} of computing`, `uniscene_sim ${batch.version}`,
].filter(Boolean).join(" · ");
if (failed && batch.passed) {
  for (const [count, name] of [[failed, "bad"], [batch.passed, "good"]]) {
    const part = made("i", undefined, name);
    part.style.flexGrow = count;
    element("share").append(part);
  }
  element("share").setAttribute("aria-label", `${failed} failed, ${batch.passed} passed`);
  element("share").hidden = false;
}
for (const note of batch.notes) element("notes").append(made("li", note));

// --- the table -----------------------------------------------------------------------------------------------------

const scores = [...new Set(cases.flatMap((one) => Object.keys(one.scores)))].slice(0, 3);
const columns = [
  { name: "", key: (one) => (one.success ? 1 : 0), label: "Passed or failed" },
  { name: "Case", key: (one) => one.name },
  { name: "Status", key: (one) => one.status, wide: true },
  ...scores.map((name) => ({ name: name.replaceAll("_", " "), key: (one) => one.scores[name] ?? null, number: short, wide: true })),
  { name: "Length", key: (one) => one.simulated_s, number: (value) => `${value.toFixed(1)} s`, wide: true },
  { name: "Took", key: (one) => one.wall_s, number: (value) => `${value.toFixed(2)} s`, wide: true },
];

function classesOf(column) {
  return [column.number ? "number" : "", column.wide ? "wide" : ""].filter(Boolean).join(" ");
}

/** How many columns there is room for, as the style says. */
const narrow = matchMedia("(max-width: 640px)");
const shownColumns = () => columns.filter((column) => !(narrow.matches && column.wide)).length;

/** The first failure, or what broke down; null where there is nothing to tell. */
function reasonOf({ violations, error, success, status, accepts }) {
  const [first] = violations, more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : "";
  const reason = made("p", undefined, success ? "reason expected" : "reason");
  if (success && (status === "SUCCESS" || !(first || error))) return null;
  if (success) reason.append(`${status} is accepted of this driver: `);
  if (first) reason.append(...worded(first), more);
  else reason.append(error || `${status}, expected ${accepts.join(" or ")}`);
  return reason;
}

/** A name that breaks where words do; what is in brackets is set lighter. */
function titled(name) {
  const at = name.indexOf("["), stem = at < 0 ? name : name.slice(0, at), parts = [];
  for (const part of stem.split(/(?<=[_/])/)) parts.push(part, made("wbr"));
  return at < 0 ? parts : [...parts, made("span", name.slice(at))];
}

class Row {
  constructor(one, number) {
    Object.assign(this, { one, number, view: null });
    this.words = [one.name, one.file, one.status, one.why, one.error, ...one.tags,
      ...Object.entries(one.parameters).map(([name, value]) => `${name}=${value}`)].join(" ").toLowerCase();
    this.body = made("tbody");
    const row = made("tr", undefined, "row"), mark = made("td", one.success ? "✓" : "✗", `mark ${one.success ? "good" : "bad"}`);
    mark.setAttribute("aria-label", one.success ? "passed" : "failed");
    const name = made("th", undefined, "name"), reason = reasonOf(one);
    name.scope = "row";
    this.button = made("button");
    this.button.append(...titled(one.name));
    this.button.type = "button";
    this.button.setAttribute("aria-expanded", "false");
    name.append(this.button, ...one.tags.map((tag) => made("span", tag, "tag")));
    if (reason) name.append(reason);
    const grade = one.success ? GRADES[one.status].replace("bad", "") : "bad";
    name.prepend(made("span", one.status, `word ${grade}`)); // where there is no room for its column
    row.append(mark, name, made("td", one.status, `word wide ${grade}`));
    for (const column of columns.slice(3)) {
      const value = column.key(one);
      row.append(made("td", value === null ? "–" : column.number(value), classesOf(column)));
    }
    this.opened = made("tr", undefined, "opened");
    this.opened.hidden = true;
    this.opened.id = `case-${number}`;
    this.button.setAttribute("aria-controls", this.opened.id);
    this.cell = made("td");
    this.cell.colSpan = shownColumns();
    this.opened.append(this.cell);
    this.body.append(row, this.opened);
    row.addEventListener("click", () => {
      if (!String(getSelection())) this.toggle();
    });
  }

  async toggle(open = this.opened.hidden, t = null) {
    this.opened.hidden = !open;
    this.button.setAttribute("aria-expanded", String(open));
    if (!open) {
      if (this.view) this.view.close();
      return keepInAddress(null);
    }
    if (this.view) return this.view.playback && this.view.playback.seek(t ?? this.view.playback.t);
    this.view = new CaseView(this.one, groundOf, (now) => keepInAddress(this.one, now));
    this.cell.append(this.view.root);
    keepInAddress(this.one, t);
    await this.view.open(t);
    this.body.dataset.ready = "yes";
  }
}

const unpackedGrounds = {};
/** The shapes of a map, unpacked once. */
function groundOf(ref) {
  return (unpackedGrounds[ref] ??= unpacked(batch.grounds[ref]));
}

const rows = cases.map((one, number) => new Row(one, number));

function sortBy(column, descending) {
  const heads = [...element("cases").tHead.rows[0].cells];
  heads.forEach((head, k) => head.setAttribute("aria-sort", columns[k] !== column ? "none" : descending ? "descending" : "ascending"));
  const missing = (value) => value === null || value === undefined;
  const order = (a, b) => {
    const x = column.key(a.one), y = column.key(b.one), way = descending ? -1 : 1;
    if (missing(x) || missing(y)) return missing(x) - missing(y) || a.number - b.number;
    const by = typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y;
    return way * by || a.number - b.number;
  };
  element("cases").append(...[...rows].sort(order).map((row) => row.body));
}

for (const column of columns) {
  const head = made("th", undefined, classesOf(column)), button = made("button", column.name);
  head.scope = "col";
  button.type = "button";
  if (column.label) button.setAttribute("aria-label", column.label);
  button.addEventListener("click", () => sortBy(column, head.getAttribute("aria-sort") === "ascending"));
  head.append(button);
  element("cases").tHead.rows[0].append(head);
}

// --- filters -------------------------------------------------------------------------------------------------------

function filter() {
  const words = element("text").value.toLowerCase().split(/\s+/).filter(Boolean);
  const { verdict, statuses, tags } = chosen;
  let shown = 0;
  for (const { one, words: text, body } of rows) {
    const fits = (verdict === "all" || one.success === (verdict === "passed"))
      && (!statuses.size || statuses.has(one.status)) && (!tags.size || one.tags.some((tag) => tags.has(tag)))
      && words.every((word) => text.includes(word));
    body.hidden = !fits;
    shown += fits;
  }
  element("count").textContent = shown === cases.length ? "" : `${shown} of ${cases.length} shown`;
  element("none").hidden = shown > 0;
  element("none").textContent = cases.length ? "No case is like this." : "There was no case to drive.";
  element("cases").hidden = shown === 0;
}

/** A button that is pressed or not. */
function choice(group, text, count, pressed, press) {
  const button = made("button", `${text} `);
  button.type = "button";
  button.append(made("b", String(count)));
  button.setAttribute("aria-pressed", String(pressed));
  button.addEventListener("click", () => { press(button); filter(); });
  element(group).append(button);
}

function chooseOneOf(all) {
  for (const [verdict, count] of Object.entries(all)) {
    choice("verdicts", verdict, count, verdict === chosen.verdict, (button) => {
      chosen.verdict = verdict;
      for (const other of element("verdicts").children) other.setAttribute("aria-pressed", String(other === button));
    });
  }
}

function chooseSome(group, all) {
  for (const [name, count] of all) {
    choice(group, name, count, false, (button) => {
      const on = !chosen[group].delete(name);
      if (on) chosen[group].add(name);
      button.setAttribute("aria-pressed", String(on));
    });
  }
}

// --- the address ---------------------------------------------------------------------------------------------------

function keepInAddress(one, t = null) {
  const at = t === null ? "" : `&t=${(t / 1000).toFixed(2)}`;
  try {
    history.replaceState(null, "", one ? `#case=${encodeURIComponent(one.name)}${at}` : location.pathname);
  } catch { /* an address that may not change is no harm */ }
}

function readAddress() {
  const wanted = new URLSearchParams(location.hash.slice(1)), t = wanted.get("t");
  const row = rows.find(({ one }) => one.name === wanted.get("case"));
  if (!row) return;
  row.toggle(true, t === null || !Number.isFinite(Number(t)) ? null : 1000 * Number(t));
  row.body.style.scrollMarginTop = `${element("cases").tHead.offsetHeight}px`; // the head stands over what scrolls
  row.body.scrollIntoView();
}

const tagged = new Map();
for (const { tags } of cases) for (const tag of tags) tagged.set(tag, (tagged.get(tag) || 0) + 1);
if (failed && batch.passed) chooseOneOf({ all: cases.length, failed, passed: batch.passed });
const statuses = Object.entries(batch.statuses);
const told = new Set(cases.map((one) => `${one.success} ${one.status}`)); // two say no more than failed and passed do
if (told.size > 2 || (statuses.length > 1 && !element("verdicts").children.length)) chooseSome("statuses", statuses);
chooseSome("tags", tagged);
element("text").addEventListener("input", filter);
narrow.addEventListener("change", () => rows.forEach((row) => (row.cell.colSpan = shownColumns())));
element("filters").addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("hashchange", readAddress);
sortBy(columns[0], false);
filter();
readAddress();
