// The stage in words, and the weights of the step by facial part as bars.
const FIRST = "what conv8's response maps say, landmark by landmark. Larger dots: sharper peaks.";
const LAST = "the result.";

export class Account {
  constructor(section) {
    this.section = section;
  }

  // Fills the section; returns the same in one line, for screen readers.
  tell(now) {
    const { t, steps } = now;
    const [symbol, index] = t < 0 ? ["S", "d"] : ["Ŝ", t];
    const title = t < 0 ? "detected" : t === 0 ? "robust start" : t === steps ? "refined" : `after ${t} of ${steps} steps`;
    const words = t < 0 ? FIRST : t === steps ? LAST : this.#step(now);
    this.#part(".symbol").innerHTML = `${symbol}<sub>${index}</sub>`;
    this.#part(".title").textContent = title;
    this.#part(".words").textContent = words[0].toUpperCase() + words.slice(1);
    this.#part(".parts").replaceChildren(...(now.gamma ? this.#bars(now) : []));
    return `${t < 0 ? "S d" : `S ${t}`}, ${title}: ${words}`;
  }

  #step({ t, centre, gamma, groups, shapes, place }) {
    const [part] = Object.entries(groups).find(([, indices]) => indices.includes(centre));
    const moves = shapes[place].map(([x, y], l) => Math.hypot(shapes[place + 1][l][0] - x, shapes[place + 1][l][1] - y));
    const mean = moves.reduce((sum, move) => sum + move, 0) / moves.length;
    return (
      `the next step, to Ŝ${t + 1}, attends to landmark ${centre + 1} (${part}), whose weight γ is ` +
      `${gamma[centre].toFixed(3)}, and moves the landmarks by ${mean.toFixed(1)} px on average.`
    );
  }

  #bars({ gamma, groups }) {
    const total = gamma.reduce((sum, weight) => sum + weight, 0);
    return Object.entries(groups).map(([part, indices]) => {
      const share = indices.reduce((sum, landmark) => sum + gamma[landmark], 0) / total;
      const bar = Object.assign(document.createElement("div"), { className: "bar" });
      bar.style.setProperty("--share", share);
      const percent = `${Math.round(100 * share)} %`;
      for (const [className, textContent] of [["part", part], ["rail", ""], ["share", percent]])
        bar.append(Object.assign(document.createElement("span"), { className, textContent }));
      return bar;
    });
  }

  #part(selector) {
    return this.section.querySelector(selector);
  }
}
