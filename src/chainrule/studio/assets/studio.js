// tells what is under the pointer, or has the focus, in the line below the picture
for (const kind of ["mouseover", "focusin", "click"])
  document.addEventListener(kind, (event) => {
    const at = event.target.closest?.("[data-told]");
    const line = document.getElementById("told");
    if (at && line) line.textContent = at.dataset.told;
  });

// a click of the pointer leaves the keys to the page: a button or tab that had the focus would take
// space and arrows for itself
document.addEventListener("click", (event) => {
  if (event.detail && event.target.closest?.(".q-btn, .q-tab"))
    setTimeout(() => document.activeElement?.blur?.());
});

// space plays, and does not scroll as well
document.addEventListener("keydown", (event) => {
  const own = "input, textarea, select, button, a, [role=tab], [role=option], [role=button]";
  if (event.key === " " && !event.target.closest?.(own)) event.preventDefault();
});
