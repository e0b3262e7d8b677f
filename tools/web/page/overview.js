// The whole picture with a frame round every face; a click on a frame chooses it. The keyboard has the radio buttons.
import { make } from "./svg.js";

export function drawOverview(svg, { width, height, overview, faces }, chosen, choose) {
  const frames = faces.map(({ result: { box: [x0, y0, x1, y1] } }, index) => {
    const frame = make("rect", { x: x0, y: y0, width: x1 - x0, height: y1 - y0, rx: (x1 - x0) / 14 });
    frame.classList.toggle("chosen", index === chosen);
    frame.addEventListener("click", () => choose(index));
    return frame;
  });
  svg.setAttribute("viewBox", `-0.5 -0.5 ${width} ${height}`);
  svg.replaceChildren(make("image", { x: -0.5, y: -0.5, width, height, href: overview }), ...frames);
}
