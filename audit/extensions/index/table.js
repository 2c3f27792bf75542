"use strict";
(() => {
  const tables = [...document.querySelectorAll("table.sortable")];
  const key = (row, at) => row.cells[at].dataset.key ?? row.cells[at].textContent.trim();
  const compare = (a, b) => {
    const [x, y] = [Number(a), Number(b)];
    return a !== "" && b !== "" && !Number.isNaN(x) && !Number.isNaN(y) ? x - y : a.localeCompare(b, "en", { numeric: true });
  };
  for (const table of tables) {
    const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
    heads.forEach((head, at) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const turn = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        heads.forEach(each => each.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", turn === 1 ? "ascending" : "descending");
        // Sorting is stable: equal rows keep the order that they had.
        body.append(...[...body.rows].sort((a, b) => turn * compare(key(a, at), key(b, at))));
      });
    });
  }
  const words = document.getElementById("filter-text"), verdict = document.getElementById("filter-verdict");
  const all = [...document.getElementById("vlm-audit-index").tBodies[0].rows];
  const filter = () => {
    const wanted = words.value.trim().toLowerCase().split(/\s+/);
    const matches = row => (!verdict.value || row.dataset.verdict === verdict.value)
      && wanted.every(word => row.dataset.text.toLowerCase().includes(word));
    for (const table of tables) {
      const rows = [...table.tBodies[0].rows];
      rows.forEach(row => { row.hidden = !matches(row); });
      table.closest("section").hidden = rows.every(row => row.hidden) && table.id !== "vlm-audit-index";
    }
    document.getElementById("filter-count").textContent = `${all.filter(row => !row.hidden).length} of ${all.length}`;
  };
  words.addEventListener("input", filter);
  verdict.addEventListener("change", filter);
  document.getElementById("filters").hidden = false;
  document.getElementById("sort-hint").hidden = false;
  filter();
})();
