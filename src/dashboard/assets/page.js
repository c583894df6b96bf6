// Pages are complete without this. It fetches the parts that change anew when the instance says
// that something happened, and judges a configuration while it is typed.
"use strict";
(() => {
  const FRAGMENT = { "X-Larder-Fragment": "1" };
  const SOON = 200, AT_MOST_EVERY = 1000, AGAIN = 10000;

  const parse = async (response) => {
    // Led to the form to log in: then the person must see it.
    if (response.redirected) { location.reload(); return null; }
    if (!response.ok) return null;
    return new DOMParser().parseFromString(await response.text(), "text/html");
  };
  // On a narrow screen rows become cards, whose lines say what their columns are called. With that
  // they are no table for the browser any more, but still are for whoever listens.
  const asCards = (root) => {
    for (const table of root.querySelectorAll(".wide > table")) {
      const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent);
      table.setAttribute("role", "table");
      for (const row of table.rows) {
        row.setAttribute("role", "row");
        const isHead = row.parentElement.tagName === "THEAD";
        row.parentElement.setAttribute("role", "rowgroup");
        [...row.cells].forEach((cell, index) => {
          const isRowHead = cell.tagName === "TH";
          cell.setAttribute("role", isHead ? "columnheader" : isRowHead ? "rowheader" : "cell");
          if (!isHead && !isRowHead && heads[index]) cell.dataset.head = heads[index];
        });
      }
      table.classList.add("cards");
    }
  };
  asCards(document);
  const replace = (part, fresh) => {
    if (!fresh) return;
    asCards(fresh);
    if (fresh.innerHTML === part.innerHTML) return;
    const stops = "a[href],button,input,select,summary";
    const at = [...part.querySelectorAll(stops)].indexOf(document.activeElement);
    const atEnd = part.scrollHeight - part.scrollTop - part.clientHeight < 40;
    part.replaceChildren(...document.importNode(fresh, true).childNodes);
    if (at >= 0) part.querySelectorAll(stops)[at]?.focus({ preventScroll: true });
    if (atEnd && part.matches("pre")) part.scrollTop = part.scrollHeight;
  };
  // What somebody is about to fill in or to confirm stays.
  const isInUse = (part) => part.querySelector("details[open]") !== null
    || (part.contains(document.activeElement) && document.activeElement.matches("input,select,textarea"));

  const parts = () => document.querySelectorAll("[data-live]");
  if (parts().length > 0 && window.EventSource) {
    let source = null, timer = 0, last = 0, isAsking = false, isWanted = false;
    const refresh = async () => {
      timer = 0;
      if (isAsking) { isWanted = true; return; }
      isAsking = true;
      last = Date.now();
      try {
        const page = await parse(await fetch(location.href, { headers: FRAGMENT }));
        if (page) for (const part of parts()) {
          if (!isInUse(part)) replace(part, page.getElementById(part.id));
        }
      } catch { /* The instance is away: the events say when it is back. */ }
      isAsking = false;
      if (isWanted) { isWanted = false; soon(); }
    };
    const soon = () => {
      if (timer === 0) timer = setTimeout(refresh, Math.max(SOON, last + AT_MOST_EVERY - Date.now()));
    };
    const follow = () => {
      source = new EventSource("events");
      for (const name of ["queued", "started", "progress", "finished", "view", "config", "reset"]) {
        source.addEventListener(name, soon);
      }
      // Something may have happened in between.
      source.onopen = soon;
      source.onerror = () => {
        if (source && source.readyState === EventSource.CLOSED) {
          source = null;
          setTimeout(() => { if (!source && !document.hidden) follow(); }, AGAIN);
        }
      };
    };
    const leave = () => { source?.close(); source = null; };
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) leave(); else if (!source) follow();
    });
    addEventListener("pagehide", leave);
    addEventListener("pageshow", (event) => { if (event.persisted && !source) follow(); });
    if (!document.hidden) follow();
  }
  for (const log of document.querySelectorAll("pre.log")) log.scrollTop = log.scrollHeight;

  // A form that is judged while it is filled in: what follows from it stands in parts of their own.
  const form = document.querySelector("form[data-check]");
  if (form) {
    let timer = 0, turn = 0;
    const judge = async () => {
      const mine = ++turn;
      const body = new URLSearchParams(new FormData(form));
      try {
        const answer = await fetch(form.getAttribute("action"), { method: "POST", headers: FRAGMENT, body });
        const page = await parse(answer);
        if (!page || mine !== turn) return;
        for (const part of document.querySelectorAll("[data-judged]")) {
          replace(part, page.getElementById(part.id));
        }
        mark();
      } catch { /* The button is still there. */ }
    };
    const mark = () => {
      for (const control of form.querySelectorAll("[aria-describedby]")) {
        const ids = control.getAttribute("aria-describedby").split(" ");
        const isWrong = ids.some((id) => document.getElementById(id)?.querySelector(".error"));
        if (isWrong) control.setAttribute("aria-invalid", "true");
        else control.removeAttribute("aria-invalid");
      }
    };
    form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(judge, 400); });
    mark();
  }
  document.addEventListener("click", (event) => {
    // From a mistake to its place in the text.
    const place = event.target.closest("a[data-at]");
    const text = place && document.getElementById(place.getAttribute("href").slice(1));
    if (text) {
      event.preventDefault();
      const [line, column] = place.dataset.at.split(":").map(Number);
      const before = text.value.split("\n").slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
      text.focus();
      text.setSelectionRange(before + column - 1, before + column - 1);
    }
    const copy = event.target.closest("button[data-copy]");
    const source = copy && document.getElementById(copy.dataset.copy);
    if (source) {
      const done = () => {
        const label = copy.textContent;
        copy.textContent = copy.dataset.done;
        setTimeout(() => { copy.textContent = label; }, 2000);
      };
      getSelection().selectAllChildren(source);
      // Over plain HTTP there is no clipboard; what is selected can be copied by hand.
      navigator.clipboard?.writeText(source.textContent).then(done, () => {});
    }
  });
  for (const copy of document.querySelectorAll("button[data-copy]")) {
    copy.hidden = !navigator.clipboard;
  }
})();
