// Asking the server about a picture. Every failure is an Error whose message is a sentence for the visitor.
const GONE = "The server does not answer. Is it still running? Start it with make web, then try again.";
const BROKEN = "Something went wrong on the server; its terminal says what. Try another picture.";

export async function ask(file, limits) {
  if (file.size > limits.mostBytes)
    throw new Error(`${file.name} has more than ${limits.mostMegabytes} MB: make the picture smaller`);
  const response = await send(file);
  const answer = await response.json().catch(() => ({ error: BROKEN }));
  if (answer.error) throw new Error(answer.error);
  return answer;
}

async function send(file) {
  try {
    return await fetch(`/detect?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
  } catch {
    throw new Error(GONE);
  }
}
