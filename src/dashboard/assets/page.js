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
  const replace = (part, fresh) => {
    if (!fresh || fresh.innerHTML === part.innerHTML) return;
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

  const text = document.querySelector("textarea[data-check]");
  if (text) {
    let timer = 0, turn = 0;
    const check = async () => {
      const mine = ++turn;
      const body = new URLSearchParams(new FormData(text.form));
      try {
        const page = await parse(await fetch(text.form.action, { method: "POST", headers: FRAGMENT, body }));
        const part = document.getElementById("judged");
        if (page && part && mine === turn) replace(part, page.getElementById("judged"));
      } catch { /* The button is still there. */ }
    };
    text.form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(check, 400); });
  }
})();
