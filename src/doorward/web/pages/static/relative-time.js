// Turns <time datetime="…">2026-05-01 12:00 UTC</time> into "3 minutes ago", with the local time as title; one that is
// marked data-exact stays as it is.

const STEPS = [
  ["year", 31536000],
  ["month", 2592000],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];

export function showRelativeTimes(root) {
  const language = root.documentElement.lang;
  const words = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  for (const place of root.querySelectorAll("time[datetime]:not([data-exact])")) {
    const then = new Date(place.dateTime);
    const seconds = (then.getTime() - Date.now()) / 1000;
    const [unit, size] = STEPS.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
    place.title = then.toLocaleString(language);
    place.textContent = unit === "second" ? root.body.dataset.justNow : words.format(Math.round(seconds / size), unit);
  }
}
