// Only comfort: without it the page is whole.
const root = document.documentElement;

const theme = document.querySelector("#theme");
const system = matchMedia("(prefers-color-scheme: dark)");
const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
const showTheme = () => theme.setAttribute("aria-pressed", String(dark()));
theme.hidden = false;
theme.addEventListener("click", () => {
  root.dataset.theme = dark() ? "light" : "dark";
  showTheme();
});
system.addEventListener("change", showTheme);
showTheme();

const table = document.querySelector("#question-table");
if (table) {
  const [search, outcome, found] = ["#search", "#outcome", "#found"].map((id) => document.querySelector(id));
  const rows = [...table.tBodies[0].rows].map((row) => ({ row, text: row.textContent.toLowerCase() }));
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const { row, text } of rows) {
      const fits = (outcome.value === "" || row.dataset.o === outcome.value) &&
        words.every((word) => text.includes(word));
      row.hidden = !fits;
      if (fits) shown++;
    }
    found.textContent = `${shown.toLocaleString("en-US")} of ${rows.length.toLocaleString("en-US")}`;
  };
  search.addEventListener("input", filter);
  outcome.addEventListener("change", filter);
  document.querySelector(".controls").hidden = false;
  filter();
}
