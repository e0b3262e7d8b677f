// One face with a shape on it: curves, landmarks sized and shaded by their weights, the centre, the step to come.
import { make, path } from "./svg.js";

const GLIDE = 220; // ms from one stage to the next
const DOT = 1 / 190; // radius of a plain landmark, sides of the view
const [SMALLEST, LARGEST] = [0.5, 2.2]; // times DOT, for weights of zero and of the largest
const [FAINTEST, FULL] = [0.3, 1];
const LONGER = 20; // a step is drawn so many times as long: it is a pixel or less

const mix = (a, b, share) => a + (b - a) * share;
const along = ([x, y], [toX, toY], share) => [mix(x, toX, share), mix(y, toY, share)];

export class FaceView {
  constructor(svg) {
    this.svg = svg;
  }

  open({ left, top, pixel, size, image }, curves) {
    const side = pixel * size; // px of the picture
    this.dot = DOT * side;
    this.curves = curves;
    this.shape = null;
    this.svg.setAttribute("viewBox", `${left - pixel / 2} ${top - pixel / 2} ${side} ${side}`);
    this.svg.style.setProperty("--line", `${side / 420}px`);
    const picture = make("image", { x: left - pixel / 2, y: top - pixel / 2, width: side, height: side, href: image });
    this.step = make("path", { class: "step" });
    this.rims = make("path", { class: "rim" });
    this.lines = make("path", { class: "line" });
    this.dots = make("g", { class: "dots" });
    this.ring = make("circle", { class: "centre", r: 3.2 * this.dot });
    this.svg.replaceChildren(picture, this.rims, this.lines, this.dots, this.step, this.ring);
  }

  // The stage as account() takes it; words: what it is for those who do not see it.
  draw({ shapes, place, gamma, centre, confidence, t }, words, gently) {
    const weights = gamma ?? (t < 0 ? confidence : undefined);
    const largest = weights ? Math.max(...weights) : 1;
    const shares = shapes[place].map((_, landmark) => (weights ? weights[landmark] / largest : undefined));
    const next = centre === undefined ? undefined : shapes[place + 1];
    this.svg.dataset.kind = t < 0 ? "detected" : t === 0 ? "start" : "refined";
    this.svg.setAttribute("aria-label", words);
    this.ring.style.display = centre === undefined ? "none" : "";
    this.#glide(shapes[place], gently, (shape) => {
      this.#curves(shape);
      this.#dots(shape, shares);
      this.step.setAttribute("d", next ? shape.map((from, l) => path([from, along(from, next[l], LONGER)])).join("") : "");
      if (centre !== undefined) {
        this.ring.setAttribute("cx", shape[centre][0]);
        this.ring.setAttribute("cy", shape[centre][1]);
      }
    });
  }

  #curves(shape) {
    const d = this.curves.map(([indices, closed]) => path(indices.map((index) => shape[index]), closed)).join("");
    this.rims.setAttribute("d", d);
    this.lines.setAttribute("d", d);
  }

  #dots(shape, shares) {
    while (this.dots.childElementCount < shape.length) this.dots.append(make("circle"));
    shape.forEach(([x, y], landmark) => {
      const [dot, share] = [this.dots.children[landmark], shares[landmark]];
      dot.setAttribute("cx", x);
      dot.setAttribute("cy", y);
      dot.setAttribute("r", this.dot * (share === undefined ? 1 : mix(SMALLEST, LARGEST, share)));
      dot.setAttribute("fill-opacity", share === undefined ? FULL : mix(FAINTEST, FULL, share));
    });
  }

  // Calls draw(shape) on the way from the shape on the screen to `target`, once if that is to be sudden.
  #glide(target, gently, draw) {
    cancelAnimationFrame(this.frame);
    const from = this.shape;
    const arrive = () => draw((this.shape = target));
    if (!from || !gently || matchMedia("(prefers-reduced-motion: reduce)").matches) return arrive();
    const begun = performance.now();
    const step = (time) => {
      const done = Math.min(1, Math.max(0, (time - begun) / GLIDE));
      const eased = done * (2 - done);
      this.shape = target.map((point, l) => along(from[l], point, eased));
      draw(this.shape);
      if (done < 1) this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }
}
