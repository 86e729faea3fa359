// Adds to the page what comes in after it was written. The observatory sends it
// in the page's words, as the page shows it; here it is set as text, never as
// markup. The page is whole without this.

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

function cell(row, text, className) {
  const td = row.insertCell();
  td.textContent = text;
  if (className) td.className = className;
  return td;
}

function timeCell(row, r) {
  const time = document.createElement("time");
  time.dateTime = r.time;
  time.textContent = r.clock;
  row.insertCell().append(time);
}

function eventRow(r) {
  const row = document.createElement("tr");
  timeCell(row, r);
  cell(row, r.node);
  cell(row, r.kind);
  cell(row, r.what, "line");
  cell(row, r.queue);
  return row;
}

function gapRow(count) {
  const row = document.createElement("tr");
  const td = cell(row, count + " " + events.dataset.gap);
  td.colSpan = 5;
  return row;
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

function messageRow(m) {
  const row = document.createElement("tr");
  row.dataset.message = m.id;
  timeCell(row, m);
  fromCell(row, m.from);
  cell(row, m.to);
  const link = document.createElement("a");
  link.href = m.link;
  link.textContent = m.name;
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
  if (r.state) refreshSoon();
  const m = r.message;
  if (m && !known(m.id)) {
    byId("no-messages")?.remove();
    prepend(messages, messageRow(m));
    const announce = byId("announce");
    announce.textContent = announce.dataset.message + ": " + (m.from || messages.dataset.report) + " → " + m.to;
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
  source = new EventSource("/live/records?lang=" + root.lang + "&after=" + encodeURIComponent(last));
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
    byId("announce").textContent = row.querySelector("th").textContent + ": " + sample.querySelector(".word").textContent;
  }
  how.querySelector(".reason").textContent = node.reason;
  row.querySelector(".records").textContent = node.records;
}

async function refresh() {
  if (paused || document.hidden) return;
  try {
    const answer = await fetch("/live/nodes?lang=" + root.lang);
    if (answer.ok) (await answer.json()).forEach(showNode);
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
