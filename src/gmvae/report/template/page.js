// What moves on a report: the sliders of the style, tables that sort, and the map, of which map.js tells. Without it the page still reads.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const make = (name, text) => Object.assign(document.createElement(name), text === undefined ? {} : { textContent: text });

  // ---- tables that sort

  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = make("button", head.textContent);
      button.type = "button";
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const descending = head.getAttribute("aria-sort") !== "descending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        const lines = [...body.rows].map((line) => {
          const cell = line.cells[column];
          const number = parseFloat(cell.dataset.value);
          return { line, number, text: cell.textContent.trim() };
        });
        const numeric = lines.some((each) => !Number.isNaN(each.number));
        lines.sort((a, b) => {
          if (!numeric) return (descending ? 1 : -1) * b.text.localeCompare(a.text);
          if (Number.isNaN(a.number) || Number.isNaN(b.number)) return Number.isNaN(a.number) - Number.isNaN(b.number);
          return descending ? b.number - a.number : a.number - b.number;
        });
        body.append(...lines.map((each) => each.line));
      });
    });
  }

  // ---- style

  const sliders = document.querySelector(".sliders");
  if (sliders) {
    const axes = [...sliders.querySelectorAll("input")];
    const middle = (data.style.steps.length - 1) / 2;
    const sheets = [...document.querySelectorAll(".sheet")].map((sheet) => {
      const canvas = make("canvas");
      const [width, height] = [Number(sheet.dataset.width), Number(sheet.dataset.height)];
      Object.assign(canvas, { width, height });
      canvas.style.width = `${Math.max(width, Math.round(96 / height) * width)}px`;
      canvas.setAttribute("role", "img");
      const image = sheet.querySelector("img");
      canvas.setAttribute("aria-label", `${sheet.parentElement.querySelector("figcaption").textContent.trim()} at this style`);
      sheet.replaceChildren(canvas);
      return { canvas, image, width, height, down: Number(sheet.dataset.down), across: Number(sheet.dataset.across) };
    });
    const lines = [...document.querySelectorAll(".style-cells tbody tr")];
    const show = () => {
      const [first, second] = [Number(axes[0].value), axes[1] ? Number(axes[1].value) : 0];
      for (const axis of axes) {
        const text = String(data.style.steps[Number(axis.value)]).replace("-", "−");
        axis.setAttribute("aria-valuetext", text);
        axis.parentElement.querySelector("output").textContent = text;
      }
      for (const { canvas, image, width, height, down, across } of sheets) {
        const [w, h] = [image.naturalWidth / across, image.naturalHeight / down];
        const context = canvas.getContext("2d");
        context.imageSmoothingEnabled = false;
        context.clearRect(0, 0, width, height);
        if (w) context.drawImage(image, first * w, (down > 1 ? second : 0) * h, w, h, 0, 0, width, height);
      }
      lines.forEach((line, column) => {
        data.style.cells.forEach((cluster, k) => {
          line.cells[k + 1].textContent = written(cluster[cluster.length > 1 ? second : 0][first][column]);
        });
      });
    };
    sliders.hidden = false;
    sliders.addEventListener("input", show);
    sliders.addEventListener("submit", (event) => event.preventDefault());
    Promise.all(sheets.map(({ image }) => image.decode().catch(() => {}))).then(show);
    for (const axis of axes) axis.value = middle;
  }

  function written(value) {
    if (value === null) return "–";
    if (typeof value !== "number") return value;
    if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
    return String(Number(value.toPrecision(4)));
  }

  showMap(data, make, written);
})();
