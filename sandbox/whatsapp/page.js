// Brings the page up to date every two seconds without losing what is being typed.
"use strict";

async function refresh() {
  const answer = await fetch(location.href, { cache: "no-store" });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
    if (next && next.innerHTML !== part.innerHTML) part.replaceWith(next);
  }
}

setInterval(() => { if (!document.hidden) refresh().catch(() => {}); }, 2000);
