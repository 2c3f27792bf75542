"use strict";
(() => {
  const data = JSON.parse(document.getElementById("slicer-data").textContent);
  const at = id => document.getElementById("slice-" + id);
  const NEVER = "\u2212", SPACE = "\u00a0", MOST_ROWS = 400, HUGE = 5000;

  // ---- numbers: as audit/statistics computes them ----

  const wilson = (events, n) => {
    const trials = Math.max(n, 1), z2 = data.z * data.z, p = events / trials;
    const centre = (p + z2 / (2 * trials)) / (1 + z2 / trials);
    const half = data.z / (1 + z2 / trials) * Math.sqrt(p * (1 - p) / trials + z2 / (4 * trials * trials));
    return [events === 0 ? 0 : centre - half, events === n ? 1 : centre + half];
  };

  const newcombe = (one, two) => {
    const p1 = one.events / one.n, p2 = two.events / two.n;
    const [low1, high1] = wilson(one.events, one.n), [low2, high2] = wilson(two.events, two.n);
    return [p1 - p2, p1 - p2 - Math.hypot(p1 - low1, high2 - p2), p1 - p2 + Math.hypot(high1 - p1, p2 - low2)];
  };

  // Each metric: does it need the true answer, which images count (the third argument: not answered "unclear"), which of those are events.
  const METRICS = {
    accuracy: [true, () => true, (truth, answer) => truth === answer],
    selection_rate: [false, () => true, (truth, answer) => answer],
    true_positive_rate: [true, truth => truth, (truth, answer) => answer],
    false_negative_rate: [true, truth => truth, (truth, answer) => !answer],
    false_positive_rate: [true, truth => !truth, (truth, answer) => answer],
    true_negative_rate: [true, truth => !truth, (truth, answer) => !answer],
    precision: [true, (truth, answer) => answer, truth => truth],
    rate_among_answered: [false, (truth, answer, answered) => answered, (truth, answer) => answer],
  };

  const known = attribute => attribute.levels.filter(level => level !== data.unknown);

  const groupsOf = attributes => attributes.reduce(
    (groups, attribute) => groups.flatMap(group => known(attribute).map(level => [...group, level])), [[]]);

  // Places in the grid of attributes, true answer (where there is one) and answer, the last varying fastest, back to codes.
  const rowsOf = table => table.decoded ??= table.cells.map((cell, i) => {
    const take = size => { const code = cell % size; cell = (cell - code) / size; return code; };
    const answer = take(table.answers.length), truth = table.truth ? take(table.answers.length) : -1;
    const row = table.attributes.map(attribute => attribute.levels.length).reverse().map(take).reverse();
    return [row, truth, answer, table.n[i]];
  });

  const status = cell => cell.group.includes(data.unknown) ? "unknown" : cell.images === 0 ? "absent"
    : cell.n === 0 ? "not estimable" : cell.n >= Math.max(data.minimum, 2) ? "ok" : "small";

  const count = (table, query) => {
    const by = query.by.map(i => table.attributes[i]), cells = new Map();
    const cell = group => {
      const key = JSON.stringify(group);
      if (!cells.has(key)) cells.set(key, { group, events: 0, n: 0, images: 0 });
      return cells.get(key);
    };
    groupsOf(by).forEach(cell);
    const [needsTruth, counts, happens] = METRICS[query.metric];
    const inside = code => query.outcome === null ? code : query.outcome.has(code);
    for (const [row, truth, answer, n] of rowsOf(table)) {
      if (query.only.some((code, i) => code >= 0 && row[i] !== code)) continue;
      const here = cell(query.by.map(i => table.attributes[i].levels[row[i]]));
      here.images += n;
      if (needsTruth && table.answers[truth] === data.unknown) continue;
      if (!counts(inside(truth), inside(answer), answer !== table.unclear)) continue;
      here.n += n;
      if (happens(inside(truth), inside(answer))) here.events += n;
    }
    const rank = group => group.map((level, i) => level === data.unknown ? by[i].levels.length : by[i].levels.indexOf(level));
    const later = (a, b) => a.reduce((order, place, i) => order || place - b[i], 0);
    const found = [...cells.values()].map(each => ({ ...each, status: status(each) }));
    const unknown = found.filter(each => each.status === "unknown").sort((a, b) => later(rank(a.group), rank(b.group)));
    return [...found.filter(each => each.status !== "unknown"), ...unknown];
  };

  const pooled = cells => cells.reduce((sum, each) => ({ events: sum.events + each.events, n: sum.n + each.n }), { events: 0, n: 0 });

  // The other side of a difference: one named group, or the other estimable groups together.
  const against = (cells, cell, reference) => {
    const estimable = cells.filter(each => each.status === "ok");
    if (reference === "") return pooled(estimable.filter(each => each !== cell));
    const named = estimable.find(each => JSON.stringify(each.group) === reference);
    return named && named !== cell ? named : { events: 0, n: 0 };
  };

  const slice = (table, query) => {
    const cells = count(table, query);
    for (const cell of cells) {
      if (cell.n === 0) continue;
      [cell.low, cell.high] = wilson(cell.events, cell.n);
      cell.value = cell.events / cell.n;
      const other = against(cells, cell, query.reference);
      if (cell.status === "ok" && other.n > 0) cell.difference = newcombe(cell, other);
    }
    return cells;
  };

  // ---- words ----

  const fixed = (fraction, places, signed) => {
    const text = Math.abs(100 * fraction).toFixed(places);
    return Number(text) === 0 ? text : (fraction < 0 ? NEVER : signed ? "+" : "") + text;
  };
  const places = (low, high) => high === low ? 1 : Math.min(Math.max(1 - Math.floor(Math.log10(100 * (high - low))), 0), 3);
  const span = (low, high, digits, signed) => "[" + fixed(low, digits, signed) + "," + SPACE + fixed(high, digits, signed) + "]";
  const rate = cell => {
    const digits = places(cell.low, cell.high);
    return fixed(cell.value, digits) + SPACE + "% " + span(cell.low, cell.high, digits);
  };
  const difference = ([value, low, high]) => fixed(value, places(low, high), true) + " " + span(low, high, places(low, high), true);
  const grouped = n => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
  const name = group => group.length ? group.join(" \u00d7 ") : data.words.everybody;
  const isolated = group => "\u2068" + (name(group).length < HUGE ? name(group) : name(group).slice(0, 100) + "\u2026") + "\u2069";
  const beyond = (cell, tolerance) => cell.difference[1] > tolerance || cell.difference[2] < -tolerance;

  // ---- the page: only textContent and attributes of our own, never markup ----

  const SVG = "http://www.w3.org/2000/svg";
  const make = (tag, attributes, ...children) => {
    const node = /^(svg|path|rect|text|title|desc)$/.test(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  };
  const exact = (values, text) => make("data", { value: values.join(" ") }, text);
  const oneLine = text => text.length < HUGE ? text : make("span", { class: "long huge" }, text);
  const header = text => make("th", { scope: "col" }, oneLine(text));

  const heads = [...document.querySelectorAll("#slice-numbers thead th")].map(head => head.textContent);

  const tableRow = (cell, tolerance) => {
    const cells = [
      exact([cell.n], grouped(cell.n)), exact([cell.events], grouped(cell.events)),
      cell.n ? exact([cell.value, cell.low, cell.high], rate(cell)) : data.words.never,
      cell.difference ? exact(cell.difference, difference(cell.difference)) : "",
      cell.difference ? data.words[beyond(cell, tolerance) ? "beyond" : "within"] : "",
      exact([cell.status], data.words.statuses[cell.status])];
    return make("tr", cell.status === "ok" ? {} : { class: "faint" }, make("th", { scope: "row" }, oneLine(name(cell.group))),
      ...cells.map((inside, i) => make("td", { "data-of": heads[i + 1] }, inside)));
  };

  // At most six even ticks around the intervals: zoomed where these need less than half of the scale.
  const ticksOf = cells => {
    const judged = cells.filter(cell => cell.status === "ok"), deciding = judged.length > 1 ? judged : cells;
    const low = Math.min(...deciding.map(cell => cell.low)), high = Math.max(...deciding.map(cell => cell.high));
    const step = [.001, .002, .005, .01, .02, .05, .1, .25].find(size => Math.ceil(high / size) - Math.floor(low / size) <= 5);
    const first = high - low > .5 ? 0 : Math.floor(low / step), last = high - low > .5 ? 4 : Math.ceil(high / step);
    return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * (high - low > .5 ? .25 : step));
  };

  const forest = (cells, tolerance) => {
    const shown = cells.filter(cell => cell.n > 0), top = 26, left = 14 + 7.2 * Math.min(30, Math.max(...shown.map(cell => name(cell.group).length)));
    const bottom = top + 20 * shown.length, right = 448, all = pooled(cells), ticks = ticksOf(shown), begin = ticks[0], end = ticks[ticks.length - 1];
    const x = value => Math.round(left + (Math.min(Math.max(value, begin), end) - begin) / (end - begin) * (right - left));
    const digits = ticks[1] - begin < .01 ? 1 : 0, off = cell => cell.value < begin || cell.value > end;
    const svg = make("svg", { class: "forest", viewBox: `0 0 470 ${bottom + 26}`, role: "img", "aria-label": data.words.forest });
    const centre = all.n ? all.events / all.n : 0;
    const [from, to] = [x(centre - tolerance), x(centre + tolerance)];
    svg.append(
      make("rect", { class: "band", x: from, y: top, width: to - from, height: bottom - top }),
      make("path", { class: "axis", d: `M${x(begin)} ${bottom}H${right}` + ticks.map(tick => `M${x(tick)} ${top}V${bottom}`).join("") }),
      make("path", { class: "reference", d: `M${x(centre)} ${top}V${bottom}` }),
      make("text", { class: x(centre) > right - 50 ? "end" : x(centre) < left + 50 ? "start" : "mid", x: x(centre), y: top - 8 }, data.words.overall + " " + fixed(centre, 1) + SPACE + "%"));
    shown.forEach((cell, i) => {
      const y = top + 20 * i + 10, faint = cell.status === "ok" ? "" : " faint", label = name(cell.group);
      const hollow = faint || !(cell.difference && beyond(cell, tolerance));
      svg.append(...off(cell) ? [make("text", { class: "start", x: left + 6, y: y + 4 }, fixed(cell.value, 1) + SPACE + "%, " + data.words.off)] : [
        make("path", { class: "interval" + faint, d: `M${x(cell.low)} ${y}H${x(cell.high)}` }),
        make("path", { class: "dot" + faint, d: `M${x(cell.value)} ${y}h0` }),
        ...(hollow ? [make("path", { class: "hole", d: `M${x(cell.value)} ${y}h0` })] : [])],
        make("text", { class: "label" + faint, x: left - 8, y: y + 4 }, label.length > 30 ? label.slice(0, 29) + "\u2026" : label));
    });
    for (const tick of ticks) svg.append(make("text", { class: "mid", x: x(tick), y: bottom + 17 }, fixed(tick, digits) + SPACE + "%"));
    return svg;
  };

  const shade = (cell, middle, reach) => {
    if (cell.status !== "ok") return cell.n ? "hatched" : "blank";
    const step = reach ? Math.round(4 * (cell.value - middle) / reach) : 0;
    return step === 0 ? "level" : (step > 0 ? "above-" : "below-") + Math.abs(step);
  };

  const heat = (cells, rows, columns) => {
    const all = pooled(cells), middle = all.events / all.n;
    const reach = Math.max(0, ...cells.filter(cell => cell.status === "ok").map(cell => Math.abs(cell.value - middle)));
    const found = new Map(cells.map(cell => [JSON.stringify(cell.group), cell]));
    const table = make("table", { class: "tiled" }, make("caption", { class: "unseen" }, data.words.heat));
    table.append(make("thead", {}, make("tr", {}, make("td", {}), ...columns.map(header))));
    table.append(make("tbody", {}, ...rows.map(row => make("tr", {}, make("th", { scope: "row" }, oneLine(row)), ...columns.map(column => {
      const cell = found.get(JSON.stringify([row, column]));
      if (!cell || !cell.n) return make("td", { class: "blank" });
      return make("td", { class: shade(cell, middle, reach), "data-of": column }, fixed(cell.value, 1) + SPACE + "%", make("br", {}),
        make("span", { class: "small" }, "n = " + grouped(cell.n)));
    })))));
    return make("figure", { class: "heat" }, make("div", { class: "scroll", role: "group", tabindex: "0", "aria-label": data.words.heat }, table));
  };

  // ---- the controls ----

  const options = (select, entries, wanted) => {
    select.replaceChildren(...entries.map(([value, text]) => make("option", { value }, text)));
    select.value = entries.some(([value]) => value === wanted) ? wanted : entries.length ? entries[0][0] : "";
  };
  const checked = () => [...at("by").querySelectorAll("input:checked")].map(input => Number(input.value));
  const table = () => data.tables[Number(at("table").value)];

  // The attributes and labels belong to the table that was chosen; a choice that still exists is kept.
  const offer = () => {
    const chosen = table(), before = new Set([...at("by").querySelectorAll("input:checked")].map(input => input.dataset.name));
    at("by").querySelectorAll("label").forEach(label => label.remove());
    at("only").querySelectorAll("label").forEach(label => label.remove());
    chosen.attributes.forEach((attribute, i) => {
      const box = make("input", { type: "checkbox", value: i, "data-name": attribute.name });
      box.checked = before.size ? before.has(attribute.name) : i === 0;
      at("by").append(make("label", {}, box, " ", oneLine(attribute.name)));
      const select = make("select", { id: "slice-only-" + i });
      options(select, [["-1", data.words.all], ...attribute.levels.map((level, code) => [String(code), level])], "-1");
      at("only").append(make("label", {}, oneLine(attribute.name), " ", select));
    });
    const metrics = Object.keys(METRICS).filter(metric => (chosen.truth || !METRICS[metric][0])
      && (metric !== "rate_among_answered" || chosen.unclear >= 0));
    options(at("metric"), metrics.map(metric => [metric, metric.replaceAll("_", " ")]), at("metric").value);
    offerLabels();
  };

  const offerLabels = () => {
    const chosen = table(), whole = at("metric").value === "accuracy" ? [["", data.words.anyLabel]] : [];
    const outcomes = chosen.outcomes.map((outcome, i) => ["outcome " + i, outcome.name]);
    const labels = chosen.answers.map((answer, i) => ["answer " + i, answer]).filter(entry => entry[1] !== data.unknown);
    options(at("label"), [...whole, ...outcomes, ...labels], at("label").value);
  };

  const outcome = () => {
    const [kind, i] = at("label").value.split(" ");
    return kind === "" ? null : kind === "answer" ? new Set([Number(i)]) : new Set(table().outcomes[Number(i)].answers);
  };

  // What was chosen, in words: the printed page has no controls.
  const caption = (chosen, query) => {
    const picked = id => isolated([at(id).selectedOptions[0]?.textContent ?? ""]);
    const only = query.only.flatMap((code, i) => code < 0 ? []
      : [data.words.only + " " + isolated([chosen.attributes[i].name + " " + chosen.attributes[i].levels[code]])]);
    const by = (query.by.length ? data.words.by + " " : "") + isolated(query.by.map(i => chosen.attributes[i].name));
    return [picked("table"), picked("metric"), picked("label"), ...only, by, data.words.against + " " + picked("reference")].join("; ");
  };

  const draw = () => {
    const chosen = table(), by = checked(), tolerance = Math.max(0, Number(at("tolerance").value) || 0) / 100;
    const only = chosen.attributes.map((_, i) => Number(at("only-" + i).value));
    const query = { by, only, metric: at("metric").value, outcome: outcome(), reference: at("reference").value };
    let cells = count(chosen, query);
    const estimable = cells.filter(cell => cell.status === "ok").map(cell => [JSON.stringify(cell.group), name(cell.group)]);
    options(at("reference"), [["", data.words.rest], ...(by.length ? estimable : [])], query.reference);
    query.reference = at("reference").value;
    cells = slice(chosen, query);
    const shown = cells.slice(0, MOST_ROWS);
    at("caption").textContent = caption(chosen, query);
    at("rows").replaceChildren(...shown.map(cell => tableRow(cell, tolerance)));
    const ok = cells.filter(cell => cell.status === "ok").sort((a, b) => a.value - b.value);
    const all = pooled(cells);
    at("summary").textContent = data.words.summary
      .replace("{groups}", grouped(ok.length)).replace("{all}", grouped(cells.length)).replace("{n}", grouped(all.n))
      + (ok.length > 1 ? " " + data.words.gap.replace("{low}", isolated(ok[0].group)).replace("{high}", isolated(ok[ok.length - 1].group))
        .replace("{gap}", fixed(ok[ok.length - 1].value - ok[0].value, 1)) : "")
      + (cells.length > MOST_ROWS ? " " + data.words.cut.replace("{most}", MOST_ROWS) : "");
    const charts = shown.some(cell => cell.n) && shown.length <= 63 ? [make("figure", {}, make("div", { class: "scroll", role: "group", tabindex: "0", "aria-label": data.words.forest }, forest(shown, tolerance)))] : [];
    if (by.length === 2 && all.n) charts.push(heat(cells, ...by.map(i => known(chosen.attributes[i]))));
    at("charts").replaceChildren(...charts);
  };

  // ---- the address: what was chosen, so that a slice can be linked to; nothing is sent anywhere ----

  const STATE = "#slice?";
  const remember = () => {
    const only = table().attributes.map((_, i) => at("only-" + i).value).join(" ");
    const state = { table: at("table").value, metric: at("metric").value, label: at("label").value, by: checked().join(" "), only,
      reference: at("reference").value, tolerance: at("tolerance").value };
    history.replaceState(null, "", STATE + new URLSearchParams(state));
  };

  const choose = (select, value) => {
    if (select && [...select.options].some(option => option.value === value)) select.value = value;
  };

  // A choice that this page does not offer is passed over.
  const restore = () => {
    if (!location.hash.startsWith(STATE)) return;
    const state = new URLSearchParams(location.hash.slice(STATE.length)), words = name => (state.get(name) ?? "").split(" ");
    choose(at("table"), state.get("table"));
    offer();
    choose(at("metric"), state.get("metric"));
    offerLabels();
    choose(at("label"), state.get("label"));
    if (state.has("by")) at("by").querySelectorAll("input").forEach(box => { box.checked = words("by").includes(box.value); });
    words("only").forEach((code, i) => choose(at("only-" + i), code));
    if (state.has("tolerance")) at("tolerance").value = String(Number(state.get("tolerance")) || 0);
    draw();
    choose(at("reference"), state.get("reference"));
    draw();
    at("fold").open = true;
    at("section").scrollIntoView();
  };

  options(at("table"), data.tables.map((each, i) => [String(i), each.title]), "0");
  at("tolerance").value = String(data.tolerance);
  at("controls").addEventListener("change", event => {
    if (event.target === at("table")) offer();
    if (event.target === at("metric")) offerLabels();
    draw();
    remember();
  });
  window.addEventListener("hashchange", restore);
  at("controls").addEventListener("submit", event => event.preventDefault());
  at("section").hidden = false;
  document.querySelectorAll(".slice-link").forEach(link => { link.hidden = false; });
  offer();
  draw();
  restore();
})();
