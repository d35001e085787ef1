// Enhancement only: every page works without this.
import { addCopy } from "./copy.js";
import { runCountdowns } from "./countdown.js";
import { showRelativeTimes } from "./relative-time.js";
import { addReveal } from "./reveal.js";

runCountdowns(document);
showRelativeTimes(document);
addReveal(document);
addCopy(document);
document.querySelector("[data-focus]")?.focus();
