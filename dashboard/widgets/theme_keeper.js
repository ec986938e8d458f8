// Streamlit keeps the theme under stActiveTheme-<path at which the tab was opened>-v2; "hilum.theme" is the choice
// that holds for all paths. Where Streamlit changes that key, the system's theme shows: nothing else breaks.

const PAGES = ["explore", "preprocess", "train", "evaluate", "predict", "review"];
const OWN = "hilum.theme";
const opened = new URL(performance.getEntriesByType("navigation")[0]?.name || location.href).pathname;
let last = null; // the choice when the page was last drawn

const keyOf = (path) => `stActiveTheme-${path}-v2`;

function keepForAllPages(choice) {
  const base = opened.replace(new RegExp(`(${PAGES.join("|")})/?$`), "");
  localStorage.setItem(OWN, choice);
  for (const path of [base, ...PAGES.map((page) => base + page)]) {
    localStorage.setItem(keyOf(path), JSON.stringify(choice));
  }
}

// Dialogs, menus and tooltips stand beside the page, which alone knows whether it is dark: all are told.
function tellAll() {
  const scheme = getComputedStyle(document.querySelector(".stApp")).colorScheme;
  document.documentElement.style.colorScheme = scheme;
}

export default function ({ setTriggerValue }) {
  tellAll();
  try {
    const shown = JSON.parse(localStorage.getItem(keyOf(opened)) || '"System"');
    if (last !== null) {
      if (shown === last) return;
      last = shown;
      keepForAllPages(shown); // the user has used the menu
      setTriggerValue("theme", shown); // the page runs again: charts are drawn in the colours that they are told
      return;
    }
    const wanted = localStorage.getItem(OWN) || "Dark";
    last = wanted;
    keepForAllPages(wanted);
    const dark = getComputedStyle(document.querySelector(".stApp")).colorScheme === "dark";
    const looksRight = wanted === "System" || (wanted === "Dark") === dark;
    if (!looksRight && !sessionStorage.getItem(OWN)) {
      sessionStorage.setItem(OWN, "reloaded"); // once a tab: never a loop
      location.reload();
    }
  } catch (error) {
    console.warn("theme:", error); // storage is switched off: the system's theme stays
  }
}
