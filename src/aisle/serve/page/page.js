// The page's script: plain functions over the public API (/v1) and the page's own few paths (/page).
// Titles, categories and reasons are not trusted: everything is put in as text, never as markup.

const KEY = "aisle-key"; // in sessionStorage: gone with the tab
const DID = { view: "viewed", click: "clicked", favourite: "saved", cart: "cart", purchase: "bought", dislike: "disliked", rating: "rated" };
const ACTIONS = [["view", "view"], ["cart", "cart"], ["buy", "purchase"]]; // what a button says, what is posted
const KINDS = [["long", "long"], ["median", "usual"], ["short", "short"], ["none", "none"]];

const byId = (id) => document.getElementById(id);
const text = (value) => (value === null || value === undefined ? "" : String(value));
const price = (value) => (typeof value === "number" ? value.toLocaleString(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 }) : "");
const score = (value) => (Math.abs(value) >= 1000 ? Math.round(value).toLocaleString() : String(Number(value.toPrecision(3))));
const count = (number, noun) => `${number.toLocaleString()} ${noun}${number === 1 ? "" : "s"}`;

let shop; // what /page/shop said
let shopper = { user_id: null, session_id: token() };
let lists = new Map(); // variant -> Map(item id -> rank), what the columns show
let turn = 0; // of the last refresh: answers to earlier ones are dropped

// Works without https too, where crypto.randomUUID does not.
function token() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return "page-" + Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
}

function make(parent, tag, name, words, title) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (words !== undefined) node.textContent = words;
  if (title) node.title = title;
  parent.append(node);
  return node;
}

function button(parent, words, action, title) {
  const node = make(parent, "button", "", words, title);
  node.type = "button";
  node.addEventListener("click", action);
  return node;
}

// ---- asking the service ----

class Problem extends Error {
  constructor(status, { code, message, hint }) {
    super(message);
    Object.assign(this, { status, code, hint });
  }
}

async function ask(path, body) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  const key = sessionStorage.getItem(KEY);
  if (key) headers["X-API-Key"] = key;
  const start = performance.now();
  let reply, answer;
  try {
    reply = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), cache: "no-store" });
    answer = await reply.json();
  } catch {
    throw new Problem(0, { message: "The service does not answer.", hint: "See whether it still runs, then try again." });
  }
  if (reply.ok) return { ...answer, ms: performance.now() - start };
  const problem = new Problem(reply.status, answer.error);
  if (reply.status === 401) askForKey(problem, key);
  throw problem;
}

const query = (words) => "?" + new URLSearchParams(Object.entries(words).filter(([, value]) => value !== null && value !== ""));

async function factsOf(variant, items) {
  const ids = new Set(items.flatMap((one) => [one.item_id, one.because_item_id]).filter((id) => id !== null));
  return ids.size ? (await ask("page/items", { item_ids: [...ids], model: variant })).items : {};
}

// ---- problems and the key ----

function tell(place, problem) {
  place.replaceChildren();
  place.hidden = !problem;
  if (!problem) return;
  make(place, "b", "", problem.message);
  make(place, "span", "", problem.code ? `${problem.hint} [${problem.code}]` : text(problem.hint || problem.stack));
}

function askForKey(problem, key) {
  sessionStorage.removeItem(KEY);
  byId("shop").hidden = byId("forget-key").hidden = true;
  byId("key-form").hidden = false;
  byId("key-why").textContent = key ? `${problem.message}.` : "Lists and histories of shoppers are shown to those who have one.";
  byId("key").value = "";
  byId("key").focus();
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, byId("key").value.trim());
  byId("key-form").hidden = true;
  start();
});
byId("forget-key").addEventListener("click", () => {
  sessionStorage.removeItem(KEY);
  location.reload();
});

// ---- choosing a shopper ----

async function start() {
  tell(byId("problem"), null);
  try {
    shop = await ask("page/shop");
  } catch (problem) {
    if (problem.status !== 401) tell(byId("problem"), problem);
    return;
  }
  byId("shop").hidden = false;
  byId("forget-key").hidden = !sessionStorage.getItem(KEY);
  byId("about").textContent = `${count(shop.models.length, "model")} side by side · ${count(shop.users, "shopper")} · ${count(shop.items, "item")}`;
  byId("notice").hidden = !shop.notice;
  byId("notice").textContent = text(shop.notice);
  offerFilters();
  offerShoppers();
  const { median, long, short } = shop.examples;
  choose([...median, ...long, ...short].map((one) => text(one.user_id))[0] ?? null);
}

function offerShoppers() {
  const places = byId("examples");
  places.replaceChildren();
  for (const [kind, words] of KINDS) {
    const shoppers = shop.examples[kind];
    if (!shoppers.length && kind !== "none") continue;
    make(places, "span", "kind", words, kind === "none" ? "no history" : `${kind} histories`);
    const chips = make(places, "span", "chips");
    if (kind === "none") chip(chips, null, "new shopper");
    for (const one of shoppers) make(chip(chips, text(one.user_id), text(one.user_id)), "i", "", ` ${one.events}`, count(one.events, "event"));
  }
}

function chip(parent, userId, words) {
  const node = button(parent, words, () => choose(userId));
  node.dataset.user = userId === null ? "" : userId;
  return node;
}

function offerFilters() {
  const chosen = byId("category");
  chosen.replaceChildren(new Option("all", ""));
  for (const one of shop.categories) chosen.append(new Option(`${one.name} (${one.items.toLocaleString()})`, one.name));
  const lacks = (column, ...ids) => ids.forEach((id) => {
    byId(id).disabled = !shop.columns.includes(column);
    byId(id).title = byId(id).disabled ? `The catalogue has no column '${column}'` : "";
  });
  lacks("category", "category");
  lacks("price", "min-price", "max-price");
  lacks("available", "available");
}

function choose(userId) {
  shopper = { user_id: userId, session_id: token() };
  byId("shopper").value = text(userId);
  for (const node of byId("examples").querySelectorAll("button")) node.ariaPressed = String(node.dataset.user === text(userId));
  refresh();
}

byId("shopper-form").addEventListener("submit", (event) => {
  event.preventDefault();
  choose(byId("shopper").value.trim() || null);
});
byId("again").addEventListener("click", () => choose(shopper.user_id));

let typing;
byId("shopper").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(findShoppers, 150);
});

async function findShoppers() {
  const prefix = byId("shopper").value.trim();
  try {
    const found = await ask("page/shoppers" + query({ prefix }));
    if (prefix !== byId("shopper").value.trim()) return;
    byId("found").replaceChildren(...found.shoppers.map((one) => new Option(count(one.events, "event"), one.user_id)));
  } catch (problem) {
    tell(byId("problem"), problem);
  }
}

// ---- the lists ----

function filters() {
  const number = (id) => (byId(id).value === "" ? undefined : byId(id).valueAsNumber);
  return {
    k: Number(byId("k").value),
    categories: byId("category").value ? [byId("category").value] : undefined,
    min_price: number("min-price"),
    max_price: number("max-price"),
    available_only: byId("available").checked || undefined,
  };
}

// Ask for the history and every model's list at once. `clicked` says what a click did: then moves in the lists are shown.
async function refresh(clicked) {
  if (!byId("filters").reportValidity()) return;
  const mine = ++turn;
  const late = () => mine !== turn;
  byId("columns").ariaBusy = "true";
  const who = { ...shopper, user_id: shopper.user_id ?? undefined };
  const before = clicked ? lists : new Map();
  const columns = shop.models.map((model) => column(byId("columns"), model));
  const answers = await Promise.all([showHistory(late), ...columns.map((place) => showList(place, { ...who, ...filters() }, late))]);
  if (late()) return;
  const [history, ...given] = answers;
  lists = new Map(given.filter(Boolean).map((one) => [one.variant, new Map(one.items.map((item) => [text(item.item_id), item]))]));
  mark(before);
  if (history) columns.forEach((place) => tellKnown(place, history));
  byId("columns").ariaBusy = "false";
  say(clicked ?? `${count(lists.size, "list")} for ${shopper.user_id ?? "a new shopper"}`, Boolean(clicked));
}

function say(words, seen) {
  const place = byId("status");
  place.textContent = words;
  place.classList.remove("seen");
  if (seen) requestAnimationFrame(() => place.classList.add("seen"));
}

// A model's column, made once and then filled again and again, so that nothing jumps.
function column(parent, model) {
  const there = [...parent.children].find((one) => one.dataset.variant === model.variant);
  if (there) {
    there.classList.add("waiting");
    return there;
  }
  const place = make(parent, "section", "column waiting");
  place.dataset.variant = model.variant;
  place.setAttribute("aria-label", `List of ${model.variant}`);
  const head = make(place, "h3");
  make(head, "span", "", model.variant);
  make(head, "span", "small", model.model === model.variant ? "" : model.model);
  make(head, "span", "ms", "", "Measured in this browser: the service and the way there and back");
  make(place, "p", "from");
  make(place, "p", "says").hidden = true;
  make(place, "p", "problem").hidden = true;
  make(place, "ol");
  return place;
}

async function showList(place, question, late) {
  const model = place.dataset.variant;
  return fill(place, late, () => ask("v1/recommend", { ...question, model }), true);
}

// Put an answer into a column; return it, or nothing where it failed or came too late.
async function fill(place, late, asking, actions) {
  const [says, problem, rows] = [".says", ".problem", "ol"].map((one) => place.querySelector(one));
  try {
    const answer = await asking();
    const facts = await factsOf(answer.variant, answer.items);
    if (late()) return undefined;
    tell(problem, null);
    place.querySelector(".ms").textContent = `${answer.ms < 10 ? answer.ms.toFixed(1) : Math.round(answer.ms)} ms`;
    from(place, answer);
    says.hidden = answer.known !== false && answer.items.length > 0;
    says.textContent = answer.items.length ? "This model has nothing to go by for this shopper: popular items." : "Nothing fits.";
    const focus = focused(place);
    rows.replaceChildren();
    for (const item of answer.items) row(rows, item, facts, answer, actions);
    if (focus) rows.querySelector(focus)?.focus();
    return answer;
  } catch (error) {
    if (late()) return undefined;
    tell(problem, error);
    says.hidden = true;
    rows.replaceChildren();
    place.querySelector(".from").replaceChildren();
    place.querySelector(".ms").textContent = "";
    return undefined;
  } finally {
    if (!late()) place.classList.remove("waiting");
  }
}

function from(place, answer) {
  const line = place.querySelector(".from");
  line.replaceChildren("bundle ");
  make(line, "code", "bundle", answer.bundle);
  make(make(line, "span", "block", "request "), "code", "request", answer.request_id);
}

function row(rows, item, facts, answer, actions) {
  const about = facts[text(item.item_id)] ?? {};
  const place = make(rows, "li", "item");
  place.dataset.item = text(item.item_id);
  make(place, "span", "rank", item.rank);
  make(place, "span", "title", about.title ?? text(item.item_id), `${about.title ?? ""} (${item.item_id})`);
  make(place, "span", "price", price(about.price));
  make(place, "span", "facts", [about.category, about.brand].filter(Boolean).join(" · ") || " ");
  make(place, "span", "score", `${item.source} ${score(item.score)}`, item.source === "popular" ? "Popularity: fills what the model leaves empty" : "The model's score");
  const because = facts[text(item.because_item_id)]?.title;
  if (actions) make(place, "p", "reason", because ? item.reason.replace(text(item.because_item_id), () => `“${because}”`) : item.reason);
  const foot = make(place, "div", "foot");
  const name = about.title ?? text(item.item_id);
  if (actions) for (const [words, event] of ACTIONS) act(foot, words, name, item.rank, () => post(event, item, answer, about, name), !shop.events);
  act(foot, "similar", name, item.rank, () => showSimilar(item.item_id, name), false);
  const marks = make(foot, "span", "marks");
  if (about.available === false) make(marks, "span", "mark loss", "not available");
}

function act(foot, words, name, rank, action, off) {
  const node = button(foot, words, action, off ? "This service keeps no events: start it with --events FOLDER" : "");
  node.ariaLabel = `${words}: ${name}`;
  node.disabled = off;
  node.dataset.place = `${words}-${rank}`;
}

// Rows are made anew: who uses the keyboard stays at the same place of the list.
function focused(place) {
  const at = document.activeElement;
  return place.contains(at) && at.dataset.place ? `[data-place="${at.dataset.place}"]` : null;
}

// Mark items that several models name by themselves, and, after a click, what came, rose or fell.
function mark(before) {
  const named = (variant, id) => lists.get(variant)?.get(id)?.source === "popular" ? undefined : lists.get(variant)?.get(id);
  for (const place of byId("columns").querySelectorAll(".item")) {
    const { item } = place.dataset, { variant } = place.closest(".column").dataset;
    const marks = place.querySelector(".marks");
    const others = [...lists.keys()].filter((other) => other !== variant && named(other, item));
    if (others.length && named(variant, item)) {
      place.classList.add("shared");
      const places = others.map((other) => `#${named(other, item).rank} in ${other}`);
      make(marks, "span", "mark shared", others.length === 1 ? `also ${places[0]}` : `in ${others.length + 1} of ${lists.size}`, `also ${places.join(", ")}`);
    }
    moved(marks, before.get(variant), item, lists.get(variant)?.get(item));
  }
}

function moved(marks, before, item, now) {
  if (!before || !now) return;
  const was = before.get(item)?.rank;
  if (was === undefined) make(marks, "span", "mark gain", "new");
  else if (was > now.rank) make(marks, "span", "mark gain", `▲ ${was - now.rank}`, `was #${was}`);
  else if (was < now.rank) make(marks, "span", "mark loss", `▼ ${now.rank - was}`, `was #${was}`);
}

function tellKnown(place, history) {
  const known = history.events_by_model[place.dataset.variant];
  if (known !== undefined) place.querySelector(".from").prepend(`remembers ${count(known, "event")} · `);
}

for (const [type, lit] of [["pointerover", true], ["pointerout", false], ["focusin", true], ["focusout", false]]) {
  byId("columns").addEventListener(type, (event) => {
    const item = event.target.closest(".shared")?.dataset.item;
    for (const one of byId("columns").querySelectorAll(".shared")) if (one.dataset.item === item) one.classList.toggle("lit", lit);
  });
}

byId("filters").addEventListener("change", () => refresh());
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("filters").addEventListener("reset", () => setTimeout(refresh));

// ---- what a click does ----

// Events are the session's alone: what is tried out here never becomes part of the shopper's own history.
async function post(event, item, answer, about, name) {
  const done = {
    event, item_id: item.item_id, session_id: shopper.session_id, event_id: token(), request_id: answer.request_id,
    position: item.rank, variant: answer.variant, price: about.price ?? undefined,
  };
  try {
    await ask("v1/events", { events: [done] });
    tell(byId("problem"), null);
  } catch (problem) {
    if (problem.status !== 401) tell(byId("problem"), problem);
    return;
  }
  refresh(`${DID[event]}: ${name}. The lists are new.`);
}

async function showHistory(late) {
  try {
    const history = await ask("page/history" + query(shopper));
    if (late()) return undefined;
    const rows = byId("history"), nothing = byId("history-none");
    const live = history.events.filter((one) => one.live).length;
    byId("history-count").textContent = history.total ? `${count(history.total, "event")}${live ? `, ${live} live` : ""}` : "";
    byId("again").hidden = !live;
    nothing.hidden = history.total > 0 && !history.erased;
    nothing.textContent = history.erased ? "This shopper was erased: only what they did since is used."
      : shopper.user_id === null ? "A new shopper: nothing is known yet." : "Nothing is known of this shopper.";
    rows.replaceChildren();
    for (const one of history.events) pastEvent(rows, one);
    return history;
  } catch (problem) {
    if (!late() && problem.status !== 401) tell(byId("problem"), problem);
    return undefined;
  }
}

function pastEvent(rows, one) {
  const place = make(rows, "li", one.live ? "live" : "");
  make(place, "span", one.event === "purchase" || one.event === "cart" ? "did strong" : "did", DID[one.event] ?? one.event);
  make(place, "span", "title", one.title ?? text(one.item_id), `${one.title ?? ""} (${one.item_id})`);
  make(place, "span", "price", price(one.price));
  make(place, "span", "facts", [one.category, one.brand].filter(Boolean).join(" · ") || text(one.item_id));
  const at = one.at === null ? null : new Date(1000 * one.at);
  make(place, "span", "when", one.live ? "live" : at ? at.toLocaleDateString(undefined, { day: "numeric", month: "short", year: "2-digit" }) : "", at ? at.toLocaleString() : "");
}

// ---- similar items ----

let looking = 0;

function showSimilar(itemId, name) {
  const mine = ++looking;
  byId("similar-title").textContent = `Similar to “${name}”`;
  byId("similar-columns").replaceChildren();
  if (!byId("similar").open) byId("similar").showModal();
  for (const model of shop.models) {
    const place = column(byId("similar-columns"), model);
    const path = `v1/similar/${encodeURIComponent(itemId)}${query({ k: byId("k").value, model: model.variant })}`;
    fill(place, () => mine !== looking, () => ask(path), false);
  }
}

byId("close").addEventListener("click", () => byId("similar").close());
byId("similar").addEventListener("click", (event) => event.target === byId("similar") && byId("similar").close());

start();
