// The demo's start page: opens chats beside each other and moves the clock.
(function () {
  "use strict";
  const $ = (id) => document.getElementById(id);
  const words = JSON.parse($("words").textContent), parts = JSON.parse($("parts").textContent);
  const panes = $("panes"), tabs = $("tabs"), said = $("said"), people = $("people");
  const narrow = matchMedia("(max-width: 759px)");
  const open = new Map([["people", people]]);
  let front = "people";

  const post = (path, body) => fetch(path, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body || {}),
  }).then((answer) => {
    if (!answer.ok) throw new Error();
    return answer.json();
  });
  const make = (tag, inner) => {
    const node = document.createElement(tag);
    if (inner !== undefined) node.textContent = inner;
    return node;
  };

  function bring(code) {
    front = open.has(code) ? code : "people";
    arrange();
  }
  // On a phone one pane at a time; those behind close their streams.
  function arrange() {
    open.forEach((pane, code) => {
      const away = code !== front;
      pane.classList.toggle("away", away);
      const frame = pane.querySelector("iframe");
      if (frame && frame.contentWindow) frame.contentWindow.dispatchEvent(new Event(away && narrow.matches ? "asleep" : "awake"));
    });
    tabs.querySelectorAll("button").forEach((tab) => {
      const chosen = tab.dataset.pane === front;
      tab.setAttribute("aria-pressed", String(chosen));
      if (chosen) tab.scrollIntoView({ inline: "nearest", block: "nearest" });
    });
    people.classList.toggle("alone", open.size === 1);
    history.replaceState(null, "", "#" + [...open.keys()].slice(1).join(","));
  }
  function play(code) {
    if (!parts[code]) return Promise.resolve();
    if (open.has(code)) return Promise.resolve(bring(code));
    if (open.size > 4) { said.textContent = words.full; return Promise.resolve(); }
    return post("/demo/play", { code: code }).then((answer) => {
      const [name, what] = parts[code];
      const pane = make("section"), head = make("header"), close = make("button", "×"), frame = make("iframe"), tab = make("button", name.split(" ").slice(-2).join(" "));
      pane.className = "pane";
      pane.setAttribute("aria-label", name);
      close.type = tab.type = "button";
      close.setAttribute("aria-label", words.close.replace("{name}", name));
      close.onclick = () => { pane.remove(); tab.remove(); open.delete(code); bring("people"); };
      frame.src = answer.chat;
      frame.title = name;
      head.append(make("b", what), close);
      pane.append(head, frame);
      panes.append(pane);
      tab.dataset.pane = code;
      tab.onclick = () => bring(code);
      tabs.append(tab);
      open.set(code, pane);
      bring(code);
      pane.scrollIntoView({ inline: "end" });
    }).catch(() => { said.textContent = words.failed; });
  }
  function busy(now) {
    document.querySelectorAll(".clock button").forEach((button) => { button.disabled = now; });
  }

  document.querySelectorAll("[data-code]").forEach((button) => { button.onclick = () => play(button.dataset.code); });
  tabs.firstElementChild.onclick = () => bring("people");
  $("others").onchange = (event) => { play(event.target.value); event.target.value = ""; };
  document.querySelectorAll("[data-to]").forEach((button) => {
    button.onclick = () => {
      busy(true);
      said.textContent = words.moving;
      post("/demo/clock", { to: button.dataset.to })
        .then((answer) => { $("now").textContent = answer.now; said.textContent = answer.said; })
        .catch(() => { said.textContent = words.failed; })
        .finally(() => busy(false));
    };
  });
  $("reset").onclick = () => {
    if (!confirm(words.reset_sure)) return;
    busy(true);
    post("/demo/reset").then(() => {
      localStorage.clear();
      sessionStorage.clear();
      location.replace(location.pathname);
      location.reload();
    }).catch(() => { said.textContent = words.failed; busy(false); });
  };
  narrow.addEventListener("change", arrange);
  location.hash.slice(1).split(",").filter(Boolean).slice(0, 4).reduce((before, code) => before.then(() => play(code)), Promise.resolve());
  arrange();
})();
