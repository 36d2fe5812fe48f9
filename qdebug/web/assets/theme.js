// Tells the server which ground the page stands on. Charts are drawn there, and Streamlit does not draw them again when
// somebody changes the theme in the menu.

export default function (component) {
  const { parentElement, data, setStateValue } = component;
  const app = (parentElement.host ?? parentElement).closest(".stApp");
  const tell = () => {
    const scheme = getComputedStyle(app).colorScheme;
    if (scheme !== app.dataset.scheme) setStateValue("scheme", scheme);
    app.dataset.scheme = scheme;
  };
  app.dataset.scheme = data;
  tell();
  const watcher = new MutationObserver(tell);
  watcher.observe(app, { attributes: true, attributeFilter: ["class", "style"] });
  return () => watcher.disconnect();
}
