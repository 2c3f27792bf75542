"use strict";
(() => {
  const button = document.getElementById("print-all");
  button.hidden = false;
  button.addEventListener("click", () => {
    const folded = [...document.querySelectorAll("main details:not([open], .fold, .foot > details)")];
    folded.forEach(details => { details.open = true; });
    addEventListener("afterprint", () => folded.forEach(details => { details.open = false; }), { once: true });
    print();
  });
})();
