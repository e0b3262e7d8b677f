// The account of a stage on the screen.
import { account } from "./account.js";

// Fills the section and the key under the face; returns the account in one line, for screen readers.
export function tell(section, key, stage) {
  const { symbol: [letter, index], title, words, key: meaning, caption, bars } = account(stage);
  const put = (selector, text) => (section.querySelector(selector).textContent = text);
  put(".letter", letter);
  put(".index", index);
  put(".title", title);
  put(".words", words);
  put(".caption", caption);
  key.textContent = meaning;
  section.querySelector(".parts").replaceChildren(...bars.map(bar));
  return `${letter} ${index}, ${title}. ${words}`;
}

function bar({ part, share, label }) {
  const row = Object.assign(document.createElement("div"), { className: "bar" });
  row.style.setProperty("--share", share);
  for (const [className, textContent] of [["part", part], ["rail", ""], ["share", label]])
    row.append(Object.assign(document.createElement("span"), { className, textContent }));
  return row;
}
