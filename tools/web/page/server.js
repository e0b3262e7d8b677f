// Asking the server about a picture. Every failure is an Error whose message is a sentence for the visitor.
const DETECT = "/gradio_api/call/detect";
const GONE = "The server does not answer. Is it still running? Start it with make web, then try again.";
const BUSY = "Too many pictures are waiting. Try again in a minute.";
const BROKEN = "Something went wrong on the server; its terminal says what. Try another picture.";

export async function ask(file, limits) {
  if (file.size > limits.mostBytes)
    throw new Error(`${file.name} has more than ${limits.mostMegabytes} MB: make the picture smaller`);
  const answer = await outcome(await join([file.name, await base64(file)]));
  if (answer.error) throw new Error(answer.error);
  return answer;
}

async function join(data) {
  let response;
  try {
    response = await fetch(DETECT, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ data }),
    });
  } catch {
    throw new Error(GONE);
  }
  if (!response.ok) throw new Error(response.status === 503 ? BUSY : BROKEN);
  return (await response.json()).event_id;
}

function outcome(event) {
  return new Promise((resolve, reject) => {
    const source = new EventSource(`${DETECT}/${event}`);
    const settle = (act) => {
      source.close();
      act();
    };
    source.addEventListener("complete", (message) => settle(() => resolve(JSON.parse(message.data)[0])));
    // Gradio's own event of that name has data; without data it is the browser's, for a lost connection.
    source.addEventListener("error", (message) =>
      settle(() => reject(new Error(message.data === undefined ? GONE : BROKEN))));
  });
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new Error(`${file.name} cannot be read: choose another file`));
    reader.readAsDataURL(file);
  });
}
