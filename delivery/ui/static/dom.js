// DOM: builds elements. Text is always set as text, never as markup, so nothing a log or a branch name says can run.

/** Make an element: h("a.item", {href, onclick, dataset, style}, ...children); false and null children are left out. */
export function h(selector, attributes, ...children) {
  const [tag, ...classes] = selector.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element[name] = value;
    else if (name === "style") for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return element;
}

const HANDLERS = ["onclick", "onsubmit"];

/** Change `old` until it is like `fresh`, keeping nodes: focus, scrolling and transitions survive an update. */
export function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.dataset?.key !== fresh.dataset?.key) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.dataset?.keep !== undefined) return;
  for (const name of HANDLERS) old[name] = fresh[name]; // they speak of the newest data, too
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of [...fresh.attributes]) {
    if (old.getAttribute(name) === value) continue;
    if (name === "style") old.style.cssText = fresh.style.cssText;
    else old.setAttribute(name, value);
  }
  children(old, fresh);
}

function children(old, fresh) {
  const wanted = [...fresh.childNodes];
  const kept = new Map([...old.children].filter((node) => node.dataset.key).map((node) => [node.dataset.key, node]));
  wanted.forEach((node, index) => {
    const same = node.dataset?.key && kept.get(node.dataset.key);
    const here = old.childNodes[index];
    if (same && same !== here) old.insertBefore(same, here || null);
    const target = old.childNodes[index];
    if (target) morph(target, node);
    else old.append(node);
  });
  while (old.childNodes.length > wanted.length) old.lastChild.remove();
}
