// Adds a button that shows the password to fields marked data-reveal.

export function addReveal(root) {
  for (const field of root.querySelectorAll("input[type=password][data-reveal]")) {
    const button = root.createElement("button");
    button.type = "button";
    button.className = "button button-quiet";
    button.setAttribute("aria-controls", field.id);
    const show = (shown) => {
      field.type = shown ? "text" : "password";
      // The words stand on the page, in the language it is in.
      const words = root.body.dataset;
      button.textContent = shown ? words.hide : words.show;
      button.setAttribute("aria-label", shown ? words.hidePassword : words.showPassword);
    };
    show(false);
    button.addEventListener("click", () => {
      show(field.type === "password");
      field.focus();
    });
    // What is sent, kept and offered by the browser is a password field again.
    field.form?.addEventListener("submit", () => show(false));
    field.after(button);
    field.parentElement.classList.add("with-button");
  }
}
