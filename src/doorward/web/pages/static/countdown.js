// Counts a waiting time down: <span data-countdown="28">28 seconds</span>, and says when trying again makes sense.

/** Words for a number of seconds, in the language of the page: "1 minute 5 seconds". */
export function spell(seconds, language = "en") {
  const minutes = Math.floor(seconds / 60);
  const rest = seconds % 60;
  const say = (count, unit) =>
    new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long", useGrouping: false }).format(count);
  const parts = minutes ? [say(minutes, "minute")] : [];
  return [...parts, ...(rest || !minutes ? [say(rest, "second")] : [])].join(" ");
}

export function runCountdowns(root) {
  for (const place of root.querySelectorAll("[data-countdown]")) {
    const until = performance.now() + Number(place.dataset.countdown) * 1000;
    const notice = place.closest("[data-countdown-notice]");
    // Screen readers heard the notice once; a number that changes every second is not read out again.
    notice?.setAttribute("role", "group");
    const tick = () => {
      const left = Math.ceil((until - performance.now()) / 1000);
      if (left > 0) {
        place.textContent = spell(left, root.documentElement.lang);
        return;
      }
      clearInterval(timer);
      if (notice) {
        notice.setAttribute("role", "status");
        notice.className = "notice notice-good";
        notice.textContent = root.body.dataset.tryAgain;
      }
    };
    const timer = setInterval(tick, 1000);
    tick();
  }
}
