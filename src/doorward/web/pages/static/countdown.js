// Counts a waiting time down: <span data-countdown="28">28 seconds</span>, and says when trying again makes sense.

/** Words for a number of seconds: "1 minute 5 seconds". */
export function spell(seconds) {
  const minutes = Math.floor(seconds / 60);
  const rest = seconds % 60;
  const part = (count, unit) => (count ? `${count} ${unit}${count === 1 ? "" : "s"}` : "");
  return [part(minutes, "minute"), part(rest, "second")].filter(Boolean).join(" ") || "0 seconds";
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
        place.textContent = spell(left);
        return;
      }
      clearInterval(timer);
      if (notice) {
        notice.setAttribute("role", "status");
        notice.className = "notice notice-good";
        notice.textContent = "You can try again now.";
      }
    };
    const timer = setInterval(tick, 1000);
    tick();
  }
}
