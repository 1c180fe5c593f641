// Before anything is painted: the theme and the language, so that neither flickers.
(() => {
  let kept = {};
  try {
    kept = JSON.parse(localStorage.getItem("puna.preferences") || "{}");
  } catch {
    // nothing readable is kept
  }
  const root = document.documentElement;
  if (kept.theme === "dark" || kept.theme === "light") root.dataset.theme = kept.theme;
  root.lang = kept.language || (/^zh\b/i.test(navigator.language) ? "zh" : "en");
})();
