// The map of a report: rows under the pointer, one cluster alone, marks, search, and the keyboard.
"use strict";
function showMap(data, make, written) {
  const ownColour = (k) => getComputedStyle(document.documentElement).getPropertyValue(`--c${k}`).trim();
  const canvas = document.querySelector(".plane canvas");
  if (!canvas) return;
  const rows = document.createElement("canvas"); // all but the ring around one row, which moves with the pointer
  const points = data.points;
  const n = points.x.length;
  const radius = Math.max(1.4, Math.min(4, 90 / Math.sqrt(n)));
  const marked = { ambiguous: new Set(points.ambiguous), novel: new Set(points.novel) };
  const state = { only: null, at: null, ambiguous: false, novel: false };
  const form = document.querySelector(".tools");
  const beside = document.querySelector(".row");
  const thumbnails = data.thumbnails && Object.assign(new Image(), { src: data.thumbnails.src });
  const thumbnailOf = data.thumbnails && data.thumbnails.points && new Map(data.thumbnails.points.map((p, i) => [p, i]));
  let [width, height, scale, left, top] = [0, 0, 1, 0, 0];

  const place = (i) => [left + points.x[i] * scale, top + (points.side - points.y[i]) * scale];
  const shown = (i) => state.only === null || points.cluster[i] === state.only;

  function draw() {
    [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const context = cleared(rows);
    fit();
    const colours = data.clusters.map((_, k) => ownColour(k));
    const ink = getComputedStyle(document.body).color;
    for (const pass of state.only === null ? [true] : [false, true]) {
      context.globalAlpha = pass ? 0.75 : 0.08;
      for (let i = 0; i < n; i++) {
        if (shown(i) !== pass) continue;
        const [x, y] = place(i);
        context.fillStyle = pass ? colours[points.cluster[i]] : ink;
        context.beginPath();
        context.arc(x, y, radius, 0, 7);
        context.fill();
      }
    }
    context.globalAlpha = 0.6;
    context.strokeStyle = ink;
    if (state.ambiguous) for (const i of points.ambiguous) if (shown(i)) ring(context, i, radius + 2);
    if (state.novel) for (const i of points.novel) if (shown(i)) cross(context, i, radius + 3);
    mark();
  }

  function mark() {
    const context = cleared(canvas);
    if (rows.width && rows.height) context.drawImage(rows, 0, 0, width, height);
    if (state.at === null) return;
    context.strokeStyle = getComputedStyle(document.body).color;
    context.lineWidth = 2.5;
    ring(context, state.at, radius + 5);
  }

  function cleared(surface) {
    const ratio = window.devicePixelRatio || 1;
    Object.assign(surface, { width: width * ratio, height: height * ratio });
    const context = surface.getContext("2d");
    context.scale(ratio, ratio);
    return context;
  }

  function fit() {
    // The points fill the view: the range of both axes by one scale, so that distances compare.
    const span = (values) => values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
    const [[x0, x1], [y0, y1]] = [span(points.x), span(points.y)];
    scale = Math.min((width - 24) / (x1 - x0 || 1), (height - 24) / (y1 - y0 || 1));
    left = width / 2 - ((x0 + x1) / 2) * scale;
    top = height / 2 - (points.side - (y0 + y1) / 2) * scale;
  }

  function ring(context, i, radius) {
    context.beginPath();
    context.arc(...place(i), radius, 0, 7);
    context.stroke();
  }

  function cross(context, i, size) {
    const [x, y] = place(i);
    context.beginPath();
    for (const sign of [1, -1]) {
      context.moveTo(x - size, y - sign * size);
      context.lineTo(x + size, y + sign * size);
    }
    context.stroke();
  }

  function nearest(x, y) {
    let [best, distance] = [null, 20 * 20];
    for (let i = 0; i < n; i++) {
      if (!shown(i)) continue;
      const [px, py] = place(i);
      const d = (px - x) ** 2 + (py - y) ** 2;
      if (d < distance) [best, distance] = [i, d];
    }
    return best;
  }

  function select(i) {
    if (i === state.at) return;
    state.at = i;
    mark();
    if (i !== null) beside.replaceChildren(...described(i));
  }

  function described(i) {
    const head = make("p");
    const swatch = Object.assign(make("span"), { className: "swatch" });
    swatch.style.setProperty("--own", `var(--c${points.cluster[i]})`);
    const marks = ["ambiguous", "novel"].filter((mark) => marked[mark].has(i)).join(", ");
    head.append(make("strong", `${data.id} ${points.id[i]}`), make("br"), swatch);
    head.append(`${data.clusters[points.cluster[i]]}, ${points.percent[i]}%${marks && ` (${marks})`}`);
    const found = [head];
    const index = thumbnailOf ? thumbnailOf.get(i) : i;
    if (data.thumbnails && index !== undefined) found.push(thumbnail(index));
    if (data.columns.length) {
      const table = make("table");
      for (const column of data.columns) {
        const line = table.insertRow();
        const value = column.values[i];
        line.append(Object.assign(make("th", column.name), { scope: "row" }));
        line.append(make("td", column.levels && value !== null ? column.levels[value] : written(value)));
      }
      found.push(table);
      const rest = data.n_columns - data.columns.length;
      if (rest > 0) found.push(make("small", `and ${rest} columns that do not fit here`));
    }
    return found;
  }

  function thumbnail(index) {
    const { width: w, height: h, across } = data.thumbnails;
    const picture = Object.assign(make("canvas"), { width: w, height: h });
    picture.style.width = `${Math.max(1, Math.floor(112 / w)) * w}px`;
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", "the image, reduced");
    picture.getContext("2d").drawImage(thumbnails, (index % across) * w, Math.floor(index / across) * h, w, h, 0, 0, w, h);
    return picture;
  }

  function filter(cluster) {
    state.only = state.only === cluster ? null : cluster;
    for (const button of document.querySelectorAll(".legend button")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.cluster) === state.only));
    }
    if (state.at !== null && !shown(state.at)) state.at = null;
    draw();
  }

  function search(text) {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return;
    let found = points.id.findIndex((id) => id.toLowerCase() === wanted);
    if (found < 0) found = points.row.indexOf(Number(wanted));
    if (found < 0) found = points.id.findIndex((id) => id.toLowerCase().startsWith(wanted));
    if (found < 0) {
      state.at = null;
      beside.replaceChildren(make("p", `No row ${text.trim()} is on the map.`));
      draw();
      return;
    }
    if (!shown(found)) filter(state.only);
    select(found);
  }

  function step(by) {
    let i = state.at === null ? (by > 0 ? -1 : n) : state.at;
    do i += by; while (i >= 0 && i < n && !shown(i));
    if (i >= 0 && i < n) select(i);
  }

  document.querySelector(".still").setAttribute("hidden", "");
  canvas.hidden = false;
  form.hidden = false;
  beside.firstElementChild.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    search(form.search.value);
  });
  form.search.addEventListener("input", () => search(form.search.value));
  for (const name of ["ambiguous", "novel"]) {
    form[name].addEventListener("change", () => {
      state[name] = form[name].checked;
      draw();
    });
  }
  for (const button of document.querySelectorAll(".legend button")) {
    button.addEventListener("click", () => filter(Number(button.dataset.cluster)));
  }
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const found = nearest(event.clientX - box.left, event.clientY - box.top);
    if (found !== null) select(found);
  });
  canvas.addEventListener("click", (event) => {
    const box = canvas.getBoundingClientRect();
    const found = nearest(event.clientX - box.left, event.clientY - box.top);
    if (found !== null) filter(points.cluster[found]);
    else if (state.only !== null) filter(state.only);
  });
  canvas.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowRight" && event.key !== "ArrowLeft") return;
    event.preventDefault();
    step(event.key === "ArrowRight" ? 1 : -1);
  });
  new ResizeObserver(draw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}
