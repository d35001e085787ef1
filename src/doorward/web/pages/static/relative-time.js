// Turns <time datetime="…">2026-05-01 12:00 UTC</time> into "3 minutes ago", with the local time as title.

const STEPS = [
  ["year", 31536000],
  ["month", 2592000],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];

export function showRelativeTimes(root) {
  const words = new Intl.RelativeTimeFormat(root.documentElement.lang || "en", { numeric: "auto" });
  for (const place of root.querySelectorAll("time[datetime]")) {
    const then = new Date(place.dateTime);
    const seconds = (then.getTime() - Date.now()) / 1000;
    const [unit, size] = STEPS.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
    place.title = then.toLocaleString();
    place.textContent = unit === "second" ? "just now" : words.format(Math.round(seconds / size), unit);
  }
}
