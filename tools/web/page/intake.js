// The ways a picture comes in: chosen, dropped, pasted, taken with the camera, the sample.
import { openBooth } from "./booth.js";

const SAMPLE = "/sample.jpg";

export function takePictures(page, look, complain) {
  const input = page.querySelector("input[type=file]");
  const on = (selector, act) => page.querySelector(selector).addEventListener("click", act);

  on(".choose", () => input.click());
  on(".camera", () => openBooth(page.querySelector(".booth"), look, complain));
  on(".sample", () => fetchSample().then(look, (error) => complain(error.message)));
  input.addEventListener("change", () => {
    if (input.files.length) look(input.files[0]);
    input.value = ""; // so that the same file can be chosen again
  });
  page.querySelectorAll(".intake button").forEach((button) => (button.disabled = false));

  const take = (event, transfer) => {
    if (!transfer?.files.length) return;
    event.preventDefault();
    look(transfer.files[0]);
  };
  document.addEventListener("paste", (event) => take(event, event.clipboardData));
  document.addEventListener("drop", (event) => take(event, event.dataTransfer));
  document.addEventListener("dragover", (event) => event.preventDefault());
  for (const type of ["dragover", "dragleave", "drop"])
    document.addEventListener(type, () => page.classList.toggle("dragging", type === "dragover"));
}

async function fetchSample() {
  try {
    const response = await fetch(SAMPLE);
    return new File([await response.blob()], "astronaut.jpg", { type: "image/jpeg" });
  } catch {
    throw new Error("The sample cannot be had: the server does not answer. Start it with make web.");
  }
}
