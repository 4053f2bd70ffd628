/* The console's own script: it listens to /live, moves the clocks on, lights up phones, and keeps threads at their end.
   Pages work without it; they are then as fresh as the last reload. */
(function () {
  "use strict";
  const body = document.body;

  /* ----- clocks */
  const words = (name) => (body.dataset[name] || "").split("|");
  const weekdays = words("weekdays"), months = words("months");

  function parts(ms, zone) {
    const shown = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone, year: "numeric", month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit",
      weekday: "short", hourCycle: "h23",
    }).formatToParts(new Date(ms));
    const found = Object.fromEntries(shown.map((part) => [part.type, part.value]));
    found.weekday = weekdays[["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].indexOf(found.weekday)];
    found.monthWord = months[Number(found.month) - 1];
    return found;
  }
  const fill = (form, p) => form.replace("{weekday}", p.weekday).replace("{month}", p.monthWord).replace("{day}", p.day)
    .replace("{year}", p.year);

  let base = null; /* {now, rate, at}: the town's time when we last heard of it */
  function present() {
    return base.now + (performance.now() - base.at) * base.rate;
  }
  function readClock(root) {
    const first = (root || document).querySelector("[data-clock]");
    if (first) setClock(first.dataset.now, Number(first.dataset.rate));
  }
  function setClock(now, rate) {
    base = { now: Date.parse(now), rate: rate, at: performance.now() };
    document.querySelectorAll("[data-rate-dot]").forEach((dot) => dot.classList.toggle("still", !rate));
    drawClocks();
  }
  function drawClocks() {
    if (!base) return;
    const now = present();
    document.querySelectorAll("[data-clock]").forEach((place) => {
      const p = parts(now, place.dataset.zone);
      const time = p.hour + ":" + p.minute;
      const text = { time: time, date: fill(body.dataset.fullday, p), short: fill(body.dataset.day, p) + " " + time }[place.dataset.form];
      if (place.textContent !== text) place.textContent = text;
      if (place.dataset.form === "time") drawSky(place.closest(".clock"), Number(p.hour) + Number(p.minute) / 60);
    });
  }
  function drawSky(card, hour) {
    const sky = card && card.querySelector("[data-sky]");
    if (!sky) return;
    const night = hour < 6 || hour >= 18;
    const share = night ? ((hour + 6) % 24) / 12 : (hour - 6) / 12;
    const angle = Math.PI * (1 - share), sun = sky.querySelector(".sun");
    sun.setAttribute("cx", 160 + 146 * Math.cos(angle));
    sun.setAttribute("cy", 84 - 78 * Math.sin(angle));
    card.classList.toggle("night", night);
  }
  readClock();
  setInterval(drawClocks, 250);

  /* ----- what happens */
  const SHOWN = 60;
  function addLines(html) {
    const stream = document.querySelector("[data-stream]");
    if (!stream || !html.trim()) return;
    const quiet = document.querySelector("[data-empty]");
    if (quiet) quiet.remove();
    stream.insertAdjacentHTML("afterbegin", html);
    while (stream.children.length > SHOWN) stream.lastElementChild.remove();
  }
  function light(lit) {
    for (const [customer, how] of lit) {
      const mini = document.querySelector('.mini[data-customer="' + customer + '"]');
      if (!mini) continue;
      const level = how.match(/^out(\d)$/);
      if (level && !mini.classList.contains("upset")) mini.className = "mini l" + level[1];
      if (how === "upset") mini.className = "mini upset";
      if (how === "calm") mini.classList.remove("upset");
      mini.classList.remove("lit-in", "lit-out");
      void mini.offsetWidth; /* begin the animation anew */
      mini.classList.add(how === "in" ? "lit-in" : "lit-out");
    }
  }
  function hear(news) {
    if (news.now) setClock(news.now, news.rate);
    if (news.lines === undefined) return;
    addLines(news.lines);
    light(news.lit);
    const badge = document.getElementById("to-call");
    if (badge) {
      badge.textContent = news.to_call;
      badge.hidden = !news.to_call;
    }
    for (const topic of news.topics) body.dispatchEvent(new CustomEvent(topic));
    body.dispatchEvent(new CustomEvent("news"));
  }
  if (body.dataset.live === "yes" && window.EventSource) {
    const source = new EventSource("/live?after=" + body.dataset.after);
    source.addEventListener("news", (event) => hear(JSON.parse(event.data)));
    source.addEventListener("open", () => body.classList.add("alive"));
    source.addEventListener("error", () => body.classList.remove("alive"));
    window.addEventListener("pagehide", () => source.close());
    window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  }

  /* ----- phones: the newest text is in view, the box is empty after sending */
  function toEnd() {
    const thread = document.querySelector("[data-thread]");
    if (thread) thread.scrollTop = thread.scrollHeight;
  }
  toEnd();
  body.addEventListener("htmx:afterSettle", (event) => {
    toEnd();
    if (event.detail.target && event.detail.target.id === "clock") readClock();
  });
  body.addEventListener("htmx:afterRequest", (event) => {
    const composer = event.target.closest && event.target.closest("[data-composer]");
    if (composer && event.detail.successful) composer.reset();
  });

  /* ----- nothing is fetched under the hands of somebody who is writing */
  body.addEventListener("htmx:beforeRequest", (event) => {
    const piece = event.detail.elt;
    if (event.detail.requestConfig.verb !== "get" || !piece.querySelectorAll) return;
    const written = [...piece.querySelectorAll("textarea, input:not([type=hidden])")].some((field) => field.value);
    if (written) event.preventDefault();
  });

  /* ----- a push of the clock takes a moment: say so, and let nobody push twice */
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.classList.contains("busy")) {
      form.classList.add("waiting");
      if (!form.hasAttribute("hx-post")) setTimeout(() => form.querySelectorAll("button").forEach((b) => (b.disabled = true)));
    }
  });
  body.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    if (status === 401 || status === 403) location.reload();
  });
})();
