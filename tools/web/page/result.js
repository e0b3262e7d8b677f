// What was found: choosing a face, going through its stages, downloads.
import { drawOverview } from "./overview.js";
import { FaceView } from "./view.js";
import { tell } from "./panel.js";
import { save } from "./save.js";

const PACE = 550; // ms a stage while playing

// How the head is turned, in words; nothing for schemes that do not tell.
function turned(pose) {
  if (!pose) return "";
  const degrees = (value, [back, forth]) => `${Math.abs(Math.round(value))}° ${value < 0 ? back : forth}`;
  return `Head turned ${degrees(pose.yaw, ["left", "right"])}, ${degrees(pose.pitch, ["up", "down"])}, ` +
    `tilted ${degrees(pose.roll, ["left", "right"])}.`;
}

export class Result {
  constructor(section) {
    this.section = section;
    this.view = new FaceView(section.querySelector(".view"));
    this.slider = section.querySelector("input[type=range]");
    this.playing = 0;
    this.#listen();
  }

  show(answer) {
    this.#stop();
    this.answer = answer;
    this.section.hidden = false;
    this.stages = answer.faces.map(({ result }) => [result.s_d, ...result.stages]);
    this.slider.max = this.stages[0].length - 1;
    this.slider.value = this.slider.max;
    this.#ticks();
    this.#radios();
    const { length } = answer.faces;
    this.#part(".found").textContent =
      answer.found > length ? `${answer.found} faces; the ${length} largest are here.` : "";
    this.#part(".json").textContent = length > 1 ? `All ${length} faces as JSON` : "JSON";
    this.choose(0);
    this.section.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  choose(index) {
    this.index = index;
    drawOverview(this.#part(".overview"), this.answer, index, (other) => this.choose(other));
    this.section.querySelectorAll(".faces input")[index].checked = true;
    this.#part(".pts").textContent = this.answer.faces.length > 1 ? `Face ${index + 1} as .pts` : ".pts";
    this.#part(".pose").textContent = turned(this.answer.faces[index].result.pose);
    this.view.open(this.answer.faces[index].view, this.answer.curves);
    this.#draw(false);
  }

  // What account() takes: all about the stage on the slider.
  get stage() {
    const face = this.answer.faces[this.index];
    const place = Number(this.slider.value);
    const t = place - 1; // of S_hat_t; -1 for S_d
    return {
      t,
      steps: face.gamma.length,
      shapes: this.stages[this.index],
      place,
      confidence: face.result.confidence,
      gamma: t < 0 ? undefined : face.gamma[t],
      centre: t < 0 ? undefined : face.result.centres[t],
      groups: this.answer.groups,
    };
  }

  #draw(gently = true) {
    const stage = this.stage;
    const words = tell(this.#part(".now"), this.#part(".key"), stage);
    this.slider.setAttribute("aria-valuetext", words);
    this.view.draw(stage, `Face ${this.index + 1}: ${words}`, gently);
    this.section.querySelectorAll(".ticks span").forEach((tick, place) =>
      tick.classList.toggle("here", place === Number(this.slider.value)));
  }

  #go(places) {
    this.slider.value = Number(this.slider.value) + places;
    this.#draw();
  }

  #play() {
    if (this.playing) return this.#stop();
    if (this.slider.value === this.slider.max) this.slider.value = 0;
    this.#draw();
    this.#part(".play .word").textContent = "Pause";
    this.playing = setInterval(() => {
      this.#go(1);
      if (this.slider.value === this.slider.max) this.#stop();
    }, PACE);
  }

  #stop() {
    clearInterval(this.playing);
    this.playing = 0;
    this.#part(".play .word").textContent = "Play";
  }

  #part(selector) {
    return this.section.querySelector(selector);
  }

  #listen() {
    const on = (selector, act) => this.#part(selector).addEventListener("click", act);
    const byHand = (places) => () => {
      this.#stop();
      this.#go(places);
    };
    on(".previous", byHand(-1));
    on(".next", byHand(1));
    on(".play", () => this.#play());
    this.slider.addEventListener("input", byHand(0));
    const stem = () => this.answer.name.replace(/\.[^.]*$/, "");
    on(".json", () => {
      const faces = this.answer.faces.map(({ result }) => JSON.stringify(result));
      save(`${stem()}.json`, `[\n${faces.join(",\n")}\n]\n`, "application/json");
    });
    on(".pts", () => {
      const number = this.answer.faces.length > 1 ? `_${this.index + 1}` : "";
      save(`${stem()}${number}.pts`, this.answer.faces[this.index].pts, "text/plain");
    });
  }

  #ticks() {
    const names = this.stages[0].map((_, place) => (place ? place - 1 : "d"));
    this.#part(".ticks").replaceChildren(...names.map((name, place) => {
      const tick = document.createElement("span");
      tick.textContent = name;
      tick.classList.toggle("minor", place > 0 && (place - 1) % 5 !== 0);
      return tick;
    }));
  }

  #radios() {
    const labels = this.answer.faces.map((_, index) => {
      const label = document.createElement("label");
      const radio = Object.assign(document.createElement("input"), { type: "radio", name: "face", value: index });
      radio.addEventListener("change", () => this.choose(index));
      label.append(radio, Object.assign(document.createElement("span"), { textContent: index + 1 }));
      return label;
    });
    const box = this.#part(".faces");
    box.replaceChildren(box.querySelector("legend"), ...labels);
    box.hidden = labels.length === 1;
  }
}
