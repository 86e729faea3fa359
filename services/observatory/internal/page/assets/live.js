// Adds to the page what comes in after it was written. Text of nodes and
// messages is set as text, never as markup. The page is whole without this.

const maxRows = 200;
const root = document.documentElement;
const byId = (id) => document.getElementById(id);

const events = byId("events");
const messages = byId("messages");
const status = byId("live");
const pause = byId("pause");

let source = null;
let last = root.dataset.after || "";
let waiting = []; // records that came in since the last frame
let paused = false;

// What a browser would obey is written out, as the observatory does it.
function visible(text) {
  return text.replaceAll("\t", "    ").replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, (c) => {
    const short = "\x07\b\f\n\r\v".indexOf(c);
    if (short >= 0) return "\\" + "abfnrv"[short];
    const code = c.charCodeAt(0);
    return code < 0x80 ? "\\x" + code.toString(16).padStart(2, "0") : "\\u" + code.toString(16).padStart(4, "0");
  });
}

function cell(row, text, className) {
  const td = row.insertCell();
  td.textContent = visible(text);
  if (className) td.className = className;
  return td;
}

function timeCell(row, when) {
  const iso = new Date(when).toISOString();
  const time = document.createElement("time");
  time.dateTime = iso;
  time.textContent = iso.slice(11, 23);
  row.insertCell().append(time);
}

// A word of a record in the page's language; one that is new stays.
const lexicon = events ? JSON.parse(events.dataset.lexicon) : null;
const word = (sort, said) => lexicon.words[sort + said] ?? said;

function details(r) {
  const fact = lexicon.facts.includes(r.kind) ? word("fact ", r.text || "") : r.text || "";
  const parts = [(r.dir ? r.dir + " " : "") + fact];
  for (const [key, value] of Object.entries(r.meta || {})) {
    parts.push(word("detail ", key) + " " + (lexicon.valued.includes(key) ? word("value ", value) : value));
  }
  const text = visible(parts.join(" · "));
  return text.length > 300 ? text.slice(0, 300) + "…" : text;
}

function eventRow(r) {
  const row = document.createElement("tr");
  timeCell(row, r.time);
  cell(row, r.node);
  cell(row, word("kind ", r.kind));
  cell(row, details(r), "line");
  cell(row, r.queue || "");
  return row;
}

function gapRow(count) {
  const row = document.createElement("tr");
  const td = cell(row, count + " " + events.dataset.gap);
  td.colSpan = 5;
  return row;
}

// A message without Message-ID goes by the queue id and node that it began at.
function nameOf(r) {
  return r.message || r.queue + "@" + r.node;
}

// The null sender is that of reports.
function fromCell(row, from) {
  const td = cell(row, from || "<>");
  if (from) return td;
  const word = document.createElement("span");
  word.className = "quiet";
  word.title = messages.dataset.null;
  word.textContent = messages.dataset.report;
  td.append(" ", word);
  return td;
}

// People write internationalised domains in another way than DNS has them; the
// observatory knows how.
async function showNames(cells) {
  for (const td of cells.filter((td) => td.textContent.includes("xn--"))) {
    try {
      const query = new URLSearchParams(td.textContent.split(", ").map((name) => ["of", name]));
      const answer = await fetch("/names?" + query);
      if (answer.ok) td.textContent = (await answer.json()).join(", ");
    } catch {
      // They stay as DNS has them.
    }
  }
}

const sender = (r) => (r.meta?.from || "").replace(/^<|>$/g, "");

function messageRow(r) {
  const row = document.createElement("tr");
  row.dataset.message = nameOf(r);
  timeCell(row, r.time);
  showNames([fromCell(row, sender(r)), cell(row, r.meta?.to || "")]);
  const link = document.createElement("a");
  link.href = "/m/" + encodeURIComponent(nameOf(r));
  link.textContent = visible(nameOf(r));
  row.insertCell().append(link);
  return row;
}

function prepend(body, row) {
  body.prepend(row);
  while (body.rows.length > maxRows) body.deleteRow(-1);
}

function known(message) {
  return Array.from(messages.rows).some((row) => row.dataset.message === message);
}

function show(item) {
  if (item.gap) return prepend(events, gapRow(item.gap));
  const r = item.record;
  prepend(events, eventRow(r));
  if (r.kind === "node") refreshSoon();
  if (r.kind === "queue" && r.text === "accepted" && !known(nameOf(r))) {
    byId("no-messages")?.remove();
    prepend(messages, messageRow(r));
    const announce = byId("announce");
    announce.textContent = visible(announce.dataset.message + ": " + (sender(r) || messages.dataset.report) + " → " + (r.meta?.to || ""));
  }
}

function take(item) {
  if (waiting.push(item) === 1) requestAnimationFrame(drain);
}

function drain() {
  const items = waiting.slice(-2 * maxRows);
  waiting = [];
  items.forEach(show);
}

function say(word) {
  status.textContent = status.dataset[word];
  root.dataset.live = word === "live" ? "1" : "0";
}

function open() {
  if (source || paused || document.hidden) return;
  source = new EventSource("/api/v1/events?after=" + encodeURIComponent(last));
  source.onopen = () => say("live");
  source.onerror = () => {
    say("waiting");
    if (source && source.readyState === EventSource.CLOSED) {
      close();
      setTimeout(open, 3000);
    }
  };
  source.onmessage = (e) => {
    if (last && e.lastEventId.split(":")[0] !== last.split(":")[0]) return location.reload();
    last = e.lastEventId;
    take({ record: JSON.parse(e.data) });
  };
  source.addEventListener("missed", (e) => take({ gap: JSON.parse(e.data).missed }));
}

function close() {
  source?.close();
  source = null;
}

// The legend holds each state's shape and word in the page's language.
function showNode(node) {
  const row = document.querySelector(`tr[data-node="${CSS.escape(node.name)}"]`);
  const sample = document.querySelector(`#legend li[data-state="${CSS.escape(node.state)}"] .state`);
  if (!row || !sample) return;
  const how = row.querySelector(".how");
  const old = how.querySelector(".state");
  if (!old.classList.contains(node.state)) {
    old.replaceWith(sample.cloneNode(true));
    byId("announce").textContent = node.name + ": " + sample.querySelector(".word").textContent;
  }
  how.querySelector(".reason").textContent = visible(node.reason || "");
  row.querySelector(".records").textContent = node.records;
}

async function refresh() {
  if (paused || document.hidden) return;
  try {
    const answer = await fetch("/api/v1/nodes?lang=" + root.lang);
    if (answer.ok) (await answer.json()).nodes.forEach(showNode);
  } catch {
    // The stream says that the observatory is away; the next look finds it.
  }
}

let soon = 0;
function refreshSoon() {
  clearTimeout(soon);
  soon = setTimeout(refresh, 300);
}

async function reloadWhenOver(message) {
  const answer = await fetch("/api/v1/journeys/" + encodeURIComponent(message) + "?wait=any&timeout=10m");
  if (answer.ok) location.reload();
}

if (events) {
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? pause.dataset.continue : pause.dataset.pause;
    if (paused) {
      close();
      say("paused");
    } else {
      open();
    }
  });
  // Browsers allow few connections to one host: a page that nobody sees keeps none.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : (open(), refresh())));
  open();
  setInterval(refresh, 5000);
}
const going = byId("open");
if (going) reloadWhenOver(going.dataset.message);
