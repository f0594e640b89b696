"use strict";
const charts = JSON.parse(document.getElementById("charts").textContent);
for (const [id, spec] of Object.entries(charts)) {
  const place = document.getElementById(id);
  if (spec.concat) { // small charts side by side, as many as there is room for
    spec.columns = Math.max(1, Math.floor(place.clientWidth / 240));
    for (const part of spec.concat) part.width = Math.floor(place.clientWidth / spec.columns) - 72;
  }
  vegaEmbed(place, spec, {
    actions: false,
    ast: true, // expressions are interpreted: nothing is compiled from text
    renderer: "svg", // its colours follow the page, also in print
    defaultStyle: false,
    tooltip: { disableDefaultStyle: true },
  }).catch((error) => {
    place.textContent = "This chart could not be drawn; the table below holds its numbers.";
    console.error(error);
  });
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    const said = document.getElementById("said");
    try {
      await navigator.clipboard.writeText(source.textContent);
      said.textContent = "Copied.";
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; said.textContent = ""; }, 2000);
    } catch {
      getSelection().selectAllChildren(source);
      said.textContent = "Selected: copy it with the keyboard.";
    }
  });
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // within an iframe the address of its link is that of the page around it
  const content = document.getElementById("content");
  content.focus();
  content.scrollIntoView();
});
