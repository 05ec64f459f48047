// The chat page: draws what was said, sends what is written or tapped, loses neither on a bad line.
(function () {
  "use strict";
  const $ = (id) => document.getElementById(id);
  const words = JSON.parse($("words").textContent);
  const base = location.pathname;
  const log = $("log"), scroll = $("scroll"), text = $("text"), banner = $("banner"), below = $("below");
  const touch = matchMedia("(hover: none) and (pointer: coarse)").matches;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const drawn = new Set();
  let seen = 0, day = "", newest = null, busy = false, over = false, stream = null, asleep = false, still = 0, low = true;
  let notice = 0, told = 0; // the last notice drawn, and the last one of which the server knows that it was shown

  // What the browser keeps: the draft and what waits to be sent until it is saved; what was said until the tab is closed.
  const kept = (store, name, otherwise) => {
    try { return JSON.parse(store.getItem(name + " " + base)) || otherwise; } catch (e) { return otherwise; }
  };
  const keep = (store, name, value) => {
    try {
      if (value.length) store.setItem(name + " " + base, JSON.stringify(value));
      else store.removeItem(name + " " + base);
    } catch (e) { /* no room, or a private window: the page works without */ }
  };
  const queue = kept(localStorage, "queue", []);
  let mine = kept(sessionStorage, "mine", []);

  // Drawing
  const make = (tag, name, inner) => {
    const node = document.createElement(tag);
    if (name) node.className = name;
    if (inner !== undefined) node.textContent = inner;
    return node;
  };
  function bubble(who, said, at) {
    if (at && at.slice(0, 10) !== day) {
      day = at.slice(0, 10);
      log.append(make("p", "day", day.split("-").reverse().join("/")));
    }
    const turn = make("div", "turn " + who), line = make("div", "line"), box = make("div", "bubble");
    const name = make("span", "said", (who.startsWith("mine") ? words.you : words.bot) + ": ");
    const p = make("p", "", said);
    p.prepend(name);
    box.append(p);
    if (at) {
      const foot = make("div", "foot");
      foot.append(make("time", "", at.slice(11)));
      box.append(foot);
    }
    line.append(box);
    turn.append(line);
    log.append(turn);
    return turn;
  }
  function buttons(turn, message) {
    const choices = message.choices || [], moves = message.moves || [];
    if (!choices.length && !moves.length) return;
    const box = make("div", "buttons"), row = make("div", "moves");
    const button = (name, [value, label]) => {
      const node = make("button", name, label);
      node.type = "button";
      node.onclick = () => send("tap", value, label);
      return node;
    };
    choices.forEach((choice, n) => {
      const node = button("choice", choice);
      node.prepend(make("b", "", n + 1));
      box.append(node);
    });
    moves.forEach((move, n) => row.append(button(n || choices.length ? "" : "main", move)));
    if (moves.length) box.append(row);
    const more = make("button", "more", "⋯");
    more.type = "button";
    more.setAttribute("aria-label", words.older);
    more.setAttribute("aria-expanded", "false");
    more.onclick = () => more.setAttribute("aria-expanded", String(turn.classList.toggle("open")));
    (turn.querySelector(".foot") || turn.querySelector(".bubble").appendChild(make("div", "foot"))).prepend(more);
    turn.append(box);
    if (newest) newest.classList.add("past");
    newest = turn;
  }
  function file(link) {
    const form = make("form", "file");
    form.method = "post";
    form.action = link;
    form.append(make("button", "", words.file));
    return form;
  }
  function draw(message) {
    if (drawn.has(message.seq)) return null;
    drawn.add(message.seq);
    seen = Math.max(seen, message.seq);
    if (message.notice) notice = Math.max(notice, message.seq);
    const turn = bubble("bot new", message.text, message.at);
    turn.tabIndex = -1;
    if (message.file) turn.querySelector(".bubble").append(file(message.file));
    buttons(turn, message);
    return turn;
  }
  function show(messages) {
    const held = document.activeElement;
    const last = messages.map(draw).filter((turn) => turn).pop();
    if (!last) return;
    if (low) look(last); else under(words.newer);
    if (held && held !== document.body && held.offsetParent === null) last.focus({ preventScroll: true });
    tell();
  }
  // A notice counts as sent once it was shown: drawn, on a page that is looked at.
  function tell() {
    if (notice <= told || over || asleep || document.visibilityState !== "visible") return;
    const upto = notice;
    fetch(base + "shown", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ shown: upto }), keepalive: true,
    }).then((answer) => { if (answer.ok) told = Math.max(told, upto); }).catch(() => {}); // told again later
  }
  // The end, or the beginning of the last message where it is longer than the screen.
  function look(turn, at_once) {
    const end = scroll.scrollHeight - scroll.clientHeight;
    const top = turn ? Math.min(end, turn.offsetTop - 12) : end;
    scroll.scrollTo({ top: top, behavior: at_once || calm ? "auto" : "smooth" });
    low = top > end - 160; // where it will be: a second message may come while it still moves
    under(low ? "" : words.more);
  }
  // How much of the conversation is below what is seen, and the button that says so.
  const left = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight;
  function under(label) {
    below.hidden = !label;
    below.textContent = label && label + " ↓";
  }
  function say(text, link) {
    banner.hidden = !text;
    banner.textContent = text || "";
    if (text && link) {
      const a = make("a", "", words.reopen);
      a.href = "/chat/";
      banner.append(" ", a);
    }
  }

  // Sending: one at a time, in order; the same key until there is an answer
  function key(carried) {
    const random = crypto.getRandomValues(new Uint8Array(10));
    let crc = -1;
    new TextEncoder().encode(carried).forEach((byte) => {
      crc ^= byte;
      for (let n = 0; n < 8; n++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
    });
    const hex = (n, size) => ("0".repeat(size) + n.toString(16)).slice(-size);
    return Array.from(random, (n) => hex(n, 2)).join("") + "." + hex(~crc >>> 0, 8);
  }
  function send(what, carried, label) {
    if (over) return;
    const item = { what: what, carried: carried, label: label, key: key(carried), after: seen };
    queue.push(item);
    keep(localStorage, "queue", queue);
    put(item);
    look(null);
    if (what === "tap" && !touch) text.focus({ preventScroll: true });
    pump();
  }
  function put(item) {
    item.turn = bubble("mine new", item.label);
    state(item, "waiting");
  }
  function state(item, now) {
    let node = item.turn.querySelector(".state");
    if (!node) item.turn.append((node = make("p", "state")));
    node.className = "state " + now;
    node.textContent = words[now];
    if (now === "failed") {
      const again = make("button", "", words.again);
      again.type = "button";
      again.onclick = pump;
      node.append(again);
    }
  }
  function post(item) {
    const stop = new AbortController(), timer = setTimeout(() => stop.abort(), 20000);
    const body = { key: item.key, after: seen };
    body[item.what === "say" ? "text" : "value"] = item.carried;
    return fetch(base + item.what, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal: stop.signal,
    }).then((answer) => (answer.ok ? answer.json() : { status: answer.status })).finally(() => clearTimeout(timer));
  }
  async function pump() {
    if (busy || over || !queue.length) return;
    busy = true;
    while (queue.length && !over) {
      const item = queue[0];
      state(item, "sending");
      let answer;
      try { answer = await post(item); } catch (e) { answer = { status: 0 }; }
      if (answer.status === 404) { state(item, "waiting"); end(); break; }
      if (answer.status === 413 || answer.status === 422) {
        queue.shift();
        state(item, "too_long");
        if (item.what === "say" && !text.value) { text.value = item.carried; grow(); keep(localStorage, "draft", text.value); }
      } else if (answer.status !== undefined) {
        state(item, "failed");
        look(null);
        break;
      } else {
        queue.shift();
        document.querySelectorAll(".state.saved").forEach((node) => node.remove());
        state(item, "saved");
        mine.push({ after: item.after, said: item.label });
        mine = mine.slice(-200);
        keep(sessionStorage, "mine", mine);
        say("");
        show(answer.messages);
        queue.forEach((next) => log.append(next.turn));
      }
      keep(localStorage, "queue", queue.map((one) => Object.assign({}, one, { turn: undefined })));
    }
    busy = false;
  }

  // Fetching what nobody asked for
  function fetchNews() {
    return fetch(base + "since?after=" + seen).then((answer) => {
      if (answer.status === 404) return end();
      if (!answer.ok) throw new Error();
      return answer.json().then((news) => { say(""); show(news.messages); pump(); });
    }).catch(() => say(words.offline));
  }
  function listen() {
    if (stream || over || asleep || document.hidden || !window.EventSource) return;
    stream = new EventSource(base + "stream?after=" + seen);
    stream.onmessage = (event) => show([JSON.parse(event.data)]);
    stream.onopen = () => { say(""); pump(); };
    stream.addEventListener("ended", end);
    stream.onerror = () => {
      if (!navigator.onLine) say(words.offline);
      if (stream && stream.readyState === 2) deaf();
    };
  }
  function deaf() {
    if (stream) stream.close();
    stream = null;
  }
  function wake() {
    if (document.hidden || asleep) return deaf();
    tell();
    fetchNews();
    listen();
  }
  function end() {
    over = true;
    deaf();
    say(words.ended, true);
  }
  setInterval(() => { if (!stream && !over && !asleep && !document.hidden) wake(); }, 10000);
  setInterval(tell, 10000);
  document.addEventListener("visibilitychange", wake);
  addEventListener("asleep", () => { asleep = true; wake(); }); // the demo hides a pane
  addEventListener("awake", () => { asleep = false; wake(); });
  addEventListener("offline", () => say(words.offline));
  addEventListener("online", wake);
  addEventListener("pagehide", deaf);
  addEventListener("pageshow", (event) => { if (event.persisted) wake(); });

  // Writing
  function grow() {
    text.style.height = "auto";
    text.style.height = text.scrollHeight + 4 + "px";
  }
  function submit() {
    const said = text.value;
    if (!said.trim()) return;
    text.value = "";
    keep(localStorage, "draft", "");
    grow();
    send("say", said, said);
  }
  text.addEventListener("input", () => { grow(); keep(localStorage, "draft", text.value); });
  text.addEventListener("keydown", (event) => {
    // Enter belongs to the input method while a word is being composed; on a phone it makes a new line.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229 || touch) return;
    event.preventDefault();
    submit();
  });
  $("writing").addEventListener("submit", (event) => { event.preventDefault(); submit(); text.focus(); });
  $("menu").onclick = () => send("say", "/menu", words.menu);
  below.onclick = () => {
    const page = scroll.clientHeight * 0.85;
    if (left() < 3 * page) scroll.scrollBy({ top: page, behavior: calm ? "auto" : "smooth" });
    else look(null);
  };
  scroll.addEventListener("scroll", () => {
    clearTimeout(still);
    still = setTimeout(() => {
      low = left() < 160;
      if (low || below.hidden) under(low ? "" : words.more);
    }, 150);
  });
  // The keyboard of a phone, or a pane that became narrower: the end stays in sight.
  const fit = () => {
    if (window.visualViewport) document.body.style.setProperty("--height", visualViewport.height + "px");
    if (low) look(null, true);
  };
  (window.visualViewport || window).addEventListener("resize", fit);

  // Opening: what was said, with our own words where they stood; then where the person stands
  const past = JSON.parse($("past").textContent), stands = JSON.parse($("stands").textContent);
  mine = mine.filter((own) => past.length && own.after >= past[0].seq); // not under answers that are gone
  keep(sessionStorage, "mine", mine);
  past.forEach((message) => {
    while (mine.length && mine[0].after < message.seq) bubble("mine", mine.shift().said);
    draw(message);
  });
  mine.forEach((own) => bubble("mine", own.said));
  mine = kept(sessionStorage, "mine", []);
  let last = log.querySelector(".turn.bot:last-of-type");
  if (stands) {
    const turn = bubble("bot new", stands.text);
    turn.tabIndex = -1;
    buttons(turn, stands);
    const more = last && past[past.length - 1].notice && last.querySelector(".more");
    if (more) more.click(); // what a reminder offers stays in sight
    else last = turn;
  }
  queue.forEach(put);
  document.querySelectorAll(".new").forEach((turn) => turn.classList.remove("new"));
  text.value = kept(localStorage, "draft", "");
  grow();
  look(queue.length ? null : last, true);
  log.setAttribute("aria-live", "polite");
  if (!touch) text.focus({ preventScroll: true });
  pump();
  tell();
  listen();
})();
