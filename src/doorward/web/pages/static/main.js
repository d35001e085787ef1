// Enhancement only: every page works without this, and only passkeys need it.
import { addCopy } from "./copy.js";
import { runCountdowns } from "./countdown.js";
import { addPasskeys } from "./passkey.js";
import { addPrint } from "./print.js";
import { showRelativeTimes } from "./relative-time.js";
import { addReveal } from "./reveal.js";

runCountdowns(document);
showRelativeTimes(document);
addReveal(document);
addCopy(document);
addPrint(document);
addPasskeys(document);
document.querySelector("[data-focus]")?.focus();
// A sign-in in a pop-up, which a page of an app opened and waits for (renew.js).
if (document.querySelector("[data-close]")) close();
