// Asking: the dialog before an action, and short notices. Neighbour: index.html holds the dialog.

const dialog = () => document.getElementById("ask");
const part = (name) => document.getElementById(`ask-${name}`);

/** Show the dialog; resolve to {comment, by}, or null when it was cancelled. */
export function ask({ title, text, ok, tone }) {
  part("title").textContent = title;
  part("text").textContent = text;
  part("ok").textContent = ok;
  part("ok").className = tone || "primary";
  part("comment").value = "";
  part("by").value = localStorage.getItem("colorlane.by") || "";
  dialog().returnValue = "";
  dialog().showModal();
  part("comment").focus();
  return new Promise((resolve) => {
    dialog().addEventListener("close", () => {
      if (dialog().returnValue !== "ok") return resolve(null);
      localStorage.setItem("colorlane.by", part("by").value);
      resolve({ comment: part("comment").value, by: part("by").value });
    }, { once: true });
  });
}

/** Show a notice for a few seconds. */
export function notice(text, bad = false) {
  const toast = document.createElement("div");
  toast.className = bad ? "toast bad" : "toast";
  toast.textContent = text;
  document.getElementById("toasts").append(toast);
  setTimeout(() => toast.remove(), bad ? 8000 : 3500);
}

/** Do `work`; tell what went wrong in the problem's words. */
export async function attempt(work, done) {
  try {
    const result = await work();
    if (done) notice(done);
    return result;
  } catch (problem) {
    notice([problem.message, problem.remedy].filter(Boolean).join(": "), true);
    return null;
  }
}
