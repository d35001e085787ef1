// Adds a button that copies the text to what is marked data-copy; what is marked data-follows ends as its field says.

export function addCopy(root) {
  for (const place of root.querySelectorAll("[data-copy]")) {
    const text = root.createElement("span");
    text.append(...place.childNodes);
    const button = root.createElement("button");
    button.type = "button";
    button.className = "button button-quiet button-small";
    // The words stand on the page, in the language it is in.
    const words = root.body.dataset;
    const say = (word) => {
      button.textContent = word;
    };
    say(words.copyWord);
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text.textContent.trim());
        say(words.copied);
      } catch {
        getSelection()?.selectAllChildren(text);
        say(words.selected);
      }
      setTimeout(() => say(words.copyWord), 2000);
    });
    place.append(text, " ", button);
    follow(root.getElementById(place.dataset.follows ?? ""), text);
  }
}

function follow(field, text) {
  if (!field) return;
  const begin = text.textContent.trim();
  const folder = begin.slice(0, begin.lastIndexOf("/") + 1);
  // Only addresses that end with the name: the one after signing out is the same for all.
  if (!/\/(callback|backchannel|frontchannel)\/$/.test(folder)) return;
  field.addEventListener("input", () => {
    text.textContent = folder + (field.value.trim() || "…");
  });
}
