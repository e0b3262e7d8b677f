// The page: pictures come in, answers are shown. Nothing is kept but what is on the screen.
import { takePictures } from "./intake.js";
import { ask } from "./server.js";
import { Result } from "./result.js";

const PATIENCE = 4000; // ms until the page says that others may come first

function start(page) {
  const [status, problem] = [page.querySelector(".status"), page.querySelector(".problem")];
  const result = new Result(page.querySelector(".result"));
  let latest = 0;

  const say = (words, { trouble = "", busy = false } = {}) => {
    status.textContent = words;
    problem.textContent = trouble;
    page.classList.toggle("busy", busy);
  };
  const complain = (trouble) => {
    say("", { trouble: trouble.replace(/\.?$/, ".") });
    problem.scrollIntoView({ block: "nearest" });
  };

  const look = async (file) => {
    const request = ++latest; // an answer to an older picture comes too late
    say(`Looking for faces in ${file.name} …`, { busy: true });
    const waiting = setTimeout(
      () => request === latest && say("Still at work. Other pictures may be ahead of this one.", { busy: true }),
      PATIENCE);
    try {
      const answer = await ask(file, page.dataset);
      if (request !== latest) return;
      const { found, name } = answer;
      say(`${found === 1 ? "One face" : `${found} faces`} found in ${name}.`);
      page.classList.add("answered");
      result.show(answer);
    } catch (error) {
      if (request === latest) complain(error.message);
    } finally {
      clearTimeout(waiting);
    }
  };

  takePictures(page, look, complain);
}

start(document.querySelector(".page"));
