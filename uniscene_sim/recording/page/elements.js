"use strict";
// What every page is made of: elements with text, and the table of criteria.

const GRADES = { SUCCESS: "good", ACCEPTABLE: "warn", FAILURE: "bad", TIMEOUT: "bad", ERROR: "bad" };

/** An element with text; text is never read as HTML. */
function made(tag, text, name) {
  const one = document.createElement(tag);
  if (text !== undefined) one.textContent = text;
  if (name) one.className = name;
  return one;
}

/** Signs as they are set in print. */
function readable(text) {
  return text.replaceAll("<=", "≤").replaceAll(">=", "≥");
}

/** Rows of criteria with what was expected and what was. */
function fillTable(table, criteria) {
  const head = made("tr"), numbers = ["expected", "actual"];
  for (const name of ["criterion", ...numbers, "verdict"]) {
    head.append(made("th", name, numbers.includes(name) ? "number" : ""));
    head.lastChild.scope = "col";
  }
  const rows = criteria.map((one) => {
    const row = made("tr"), name = one.name.replaceAll("_", " ") + (one.actor === "ego" ? "" : ` (${one.actor})`);
    row.append(made("td", name + (one.optional ? ", optional" : "")), made("td", readable(one.expected), "number"));
    row.append(made("td", one.actual === null ? "–" : short(one.actual), "number"));
    row.append(made("td", one.success ? "✓ met" : "✗ missed", one.success ? "good" : one.optional ? "warn" : "bad"));
    return row;
  });
  table.append(head, ...rows);
}
