"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const COLOURS = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => `var(--s${i})`);
  const state = { variable: 0, metric: data.first_metric, reference: 0, lead: data.leads.length - 1 };
  const isNumber = (x) => x !== null && x !== undefined;

  const show = (x, digits = 4) => {
    if (!isNumber(x)) return "–";
    const size = Math.abs(x);
    return size !== 0 && (size < 1e-3 || size >= 1e5) ? x.toExponential(2) : String(Number(x.toPrecision(digits)));
  };
  const tag = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const svg = (name, attributes = {}, text) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const units = (metric) => data.metrics[metric].units || data.units[state.variable];
  const bracketed = (u) => (u && u !== "1" ? ` [${u}]` : "");

  // A line plot -------------------------------------------------------------------------------------

  const ticks = (low, high, count = 5) => {
    const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 2.5, 5, 10].map((f) => f * power).find((s) => s >= raw);
    const found = [];
    for (let t = Math.ceil(low / step - 1e-9) * step; t <= high + step * 1e-9; t += step) found.push(Number(t.toPrecision(10)));
    return found;
  };
  const decades = (low, high) => {
    const found = [];
    for (let p = Math.ceil(Math.log10(low) - 1e-9); p <= Math.log10(high) + 1e-9; p++) found.push(10 ** p);
    return found.length > 1 ? found : [low, high];
  };

  function plot(figure, caption, series, options) {
    figure.querySelector("figcaption").textContent = caption;
    const box = figure.querySelector(".plot");
    box.replaceChildren();
    const held = series.flatMap((s) => s.points.flatMap((p) => [p[1], ...(s.band ? [p[2], p[3]] : [])])).filter(isNumber)
      .filter((v) => !options.logY || v > 0);
    if (!held.length) { box.append(tag("p", { class: "empty" }, options.empty || "nothing to show")); return; }
    const W = 520, H = 300, L = 72, R = 12, T = 10, B = 40;
    const xs = series.flatMap((s) => s.points.map((p) => p[0]));
    let [x0, x1] = [Math.min(...xs), Math.max(...xs)], [y0, y1] = [Math.min(...held), Math.max(...held)];
    if (series.some((s) => s.bars)) { x0 -= 0.5; x1 += 0.5; }
    if (x0 === x1) { x0 -= 0.5; x1 += 0.5; }
    if (options.zero && y0 > 0) y0 = 0;
    if (options.range) [y0, y1] = options.range;
    if (y0 === y1) { y0 -= Math.abs(y0) * 0.1 || 0.5; y1 += Math.abs(y1) * 0.1 || 0.5; }
    const scale = (v, a, b, log) => (log ? Math.log(v / a) / Math.log(b / a) : (v - a) / (b - a));
    const X = (v) => L + (W - L - R) * (options.flipX ? 1 - scale(v, x0, x1, options.logX) : scale(v, x0, x1, options.logX));
    const Y = (v) => H - B - (H - T - B) * scale(v, y0, y1, options.logY);
    const root = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": caption });
    for (const t of options.logY ? decades(y0, y1) : ticks(y0, y1)) {
      root.append(svg("line", { class: "grid", x1: L, x2: W - R, y1: Y(t), y2: Y(t) }));
      root.append(svg("text", { x: L - 6, y: Y(t) + 4, "text-anchor": "end" }, show(t, 3)));
    }
    const marks = options.xTicks || (options.logX ? decades(x0, x1) : ticks(x0, x1, 7));
    for (const t of marks) {
      root.append(svg("line", { class: "grid", x1: X(t), x2: X(t), y1: H - B, y2: H - B + 4 }));
      root.append(svg("text", { x: X(t), y: H - B + 17, "text-anchor": "middle" }, show(t, 3)));
    }
    root.append(svg("text", { x: (L + W - R) / 2, y: H - 6, "text-anchor": "middle" }, options.xLabel));
    if (options.yLabel) root.append(svg("text", { transform: `translate(11,${(T + H - B) / 2}) rotate(-90)`, "text-anchor": "middle" }, options.yLabel));
    if (isNumber(options.line)) {
      const at = X(options.line);
      if (Number.isFinite(at)) root.append(svg("line", { class: "lead", x1: at, x2: at, y1: T, y2: H - B }));
    }
    series.forEach((s, i) => {
      const colour = s.colour || COLOURS[i % COLOURS.length];
      const good = s.points.filter((p) => isNumber(p[1]) && (!options.logY || p[1] > 0));
      if (s.band) {
        const both = good.filter((p) => isNumber(p[2]) && isNumber(p[3]));
        const edge = [...both.map((p) => [p[0], p[3]]), ...both.reverse().map((p) => [p[0], p[2]])];
        if (edge.length) root.append(svg("polygon", { class: "band", style: `fill:${colour};fill-opacity:0.18`, points: edge.map((p) => `${X(p[0])},${Y(p[1])}`).join(" ") }));
      }
      if (s.bars) {
        const width = 0.8 * (W - L - R) / s.points.length;
        for (const p of good) root.append(svg("rect", { style: `fill:${colour}`, x: X(p[0]) - width / 2, y: Y(p[1]), width, height: Math.max(0, H - B - Y(p[1])) }));
      } else {
        root.append(svg("polyline", { style: `fill:none;stroke:${colour}`, "stroke-width": s.thin ? 1 : 2, ...(s.thin ? { "stroke-dasharray": "3 3" } : {}), points: good.map((p) => `${X(p[0])},${Y(p[1])}`).join(" ") }));
        if (good.length < 25 && !s.thin) good.forEach((p) => root.append(svg("circle", { cx: X(p[0]), cy: Y(p[1]), r: 2.6, style: `fill:${colour}` })));
      }
    });
    box.append(root);
    const legend = tag("p", { class: "legend" });
    series.forEach((s, i) => {
      if (s.name) legend.append(tag("span", { class: "swatch", style: `background:${s.colour || COLOURS[i % COLOURS.length]}` }), s.name);
    });
    box.append(legend);
  }

  // Sections ------------------------------------------------------------------------------------------

  function scorecard() {
    const metric = data.metrics[state.metric], table = $("scorecard"), gains = metric.gain && metric.gain[state.reference];
    const reference = data.systems[state.reference + 1];
    const head = tag("tr", {}, tag("th", { scope: "col" }));
    data.leads.forEach((h) => head.append(tag("th", { scope: "col" }, `+${show(h)} h`)));
    const rows = [head];
    data.variables.forEach((name, v) => {
      const values = data.leads.map((_, t) => (gains ? gains[t][v] : metric.values[0][t][v]));
      // a variable that the reference lacks keeps its row, with its scores
      const alone = gains && !values.some(isNumber);
      if (alone) values.splice(0, values.length, ...data.leads.map((_, t) => metric.values[0][t][v]));
      if (!values.some(isNumber)) return;
      const unit = gains && !alone ? "" : bracketed(metric.units || data.units[v]);
      const row = tag("tr", {}, tag("th", { scope: "row" }, `${name}${unit}`));
      values.forEach((value, t) => {
        const low = gains && !alone && metric.gain_low[state.reference][t][v], high = gains && !alone && metric.gain_high[state.reference][t][v];
        let kind = "", text = show(value, 3);
        if (gains && !alone && isNumber(value)) {
          const sure = isNumber(low) && (low > 0 || high < 0);
          kind = value === 0 ? "" : (value > 0 ? "better" : "worse") + (sure ? "2" : "1");
          text = (metric.relative ? `${show(100 * value, 2)} %` : show(value, 2)) + (sure ? (value > 0 ? " ▲" : " ▼") : "");
        }
        if (alone) kind = "alone";
        const cell = tag("td", { class: kind, tabindex: 0, "data-variable": v, "data-lead": t }, text);
        if (alone) cell.title = `${name}: ${metric.long_name}; ${reference} has none to compare with`;
        if (isNumber(low)) cell.title = `${name} +${show(data.leads[t])} h: ${show(value)} (${show(low)} to ${show(high)})`;
        if (v === state.variable && t === state.lead) cell.classList.add("chosen");
        row.append(cell);
      });
      rows.push(row);
    });
    table.replaceChildren(...rows);
    const better = metric.relative ? "share by which the error is smaller" : "by how much the score is better";
    $("card-note").textContent = gains
      ? `${data.systems[0]} against ${reference}: ${metric.long_name}, ${better}. Choose a cell to see it below.`
      : `${data.systems[0]}: ${metric.long_name}. Choose a cell to see it below.`;
  }

  function curves() {
    const metric = data.metrics[state.metric], v = state.variable;
    const series = data.systems.map((name, s) => ({
      name, band: Boolean(metric.low),
      points: data.leads.map((h, t) => [h, metric.values[s][t][v], metric.low && metric.low[s][t][v], metric.high && metric.high[s][t][v]]),
    })).map((s, i) => ({ ...s, colour: COLOURS[i % COLOURS.length] })).filter((s) => s.points.some((p) => isNumber(p[1])));
    const text = `${metric.long_name} of ${data.variables[v]}${bracketed(units(state.metric))}`;
    plot($("curves"), text, series, { xLabel: "lead time [h]", yLabel: units(state.metric), zero: metric.orientation === "low", line: data.leads[state.lead],
      xTicks: data.leads.length <= 8 ? data.leads : undefined, empty: `${state.metric} is not defined for ${data.variables[v]}` });
  }

  function spectrum() {
    const figure = $("spectrum"), spectra = data.spectra;
    figure.hidden = !spectra;
    if (!spectra) return;
    const at = (spectra.values[state.lead] || [])[state.variable];
    const parts = ["truth", "forecast", "error"], colours = ["var(--s7)", COLOURS[0], COLOURS[1]];
    const series = at ? parts.map((name, i) => ({ name, colour: colours[i], points: spectra.wavelengths.map((w, k) => [w, at[name][k]]) })) : [];
    const resolved = data.metrics.lambda_x && data.metrics.lambda_x.values[0][state.lead][state.variable];
    const note = isNumber(resolved) ? `; right down to ${show(resolved, 3)} km` : "";
    plot(figure, `Power of ${data.variables[state.variable]} at +${show(data.leads[state.lead])} h${note}`, series,
      { xLabel: "wavelength [km]", yLabel: `power [(${data.units[state.variable] || "1"})²]`, logX: true, logY: true, flipX: true, line: resolved, empty: "no spectrum of this variable" });
  }

  function picture(title, address, bar) {
    const map = tag("div", { class: "map", style: `aspect-ratio:${data.maps.proportions}` }, tag("img", { src: address, alt: title }));
    const coast = svg("svg", { viewBox: `0 0 ${data.maps.columns} ${data.maps.rows}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    coast.append(svg("path", { d: data.maps.coast }));
    map.append(coast);
    const caption = tag("figcaption", {}, title);
    if (!bar) return tag("figure", {}, caption, map);
    const colours = tag("div", { class: "bar" });
    bar.colours.forEach((c) => colours.append(tag("i", { style: `background:${c}` })));
    const labels = tag("div", { class: "ticks" });
    bar.labels.forEach(([x, text]) => labels.append(tag("span", { style: `left:${100 * x}%`, class: x < 0.04 ? "first" : x > 0.96 ? "last" : "" }, text)));
    return tag("figure", {}, caption, map, colours, labels);
  }

  function maps() {
    const section = $("map-section"), found = data.maps && data.maps.fields[data.variables[state.variable]];
    section.hidden = !data.maps;
    if (!data.maps) return;
    $("maps").replaceChildren();
    if (!found) { $("maps").append(tag("p", { class: "empty" }, "no map of this variable")); return; }
    const step = data.maps.leads.reduce((best, t, i) => (Math.abs(t - state.lead) < Math.abs(data.maps.leads[best] - state.lead) ? i : best), 0);
    const hours = show(data.leads[data.maps.leads[step]]), unit = bracketed(data.units[state.variable]);
    for (const [kind, name] of [["bias", "mean error"], ["rmse", "root mean square error"]]) {
      $("maps").append(picture(`${name}, +${hours} h${unit}`, found[kind].images[step], found[kind].bar));
    }
  }

  function events() {
    const section = $("event-section"), place = data.events && data.events.names.indexOf(data.variables[state.variable]);
    section.hidden = !data.events || place < 0;
    if (section.hidden) return;
    const limits = data.events.thresholds[place], head = tag("tr", {}, tag("th", { scope: "col" }, `at least${bracketed(data.units[state.variable])}`));
    limits.forEach((x) => head.append(tag("th", { scope: "col" }, show(x))));
    const rows = [head];
    for (const [label, values] of Object.entries(data.events.rows)) {
      const cells = values[state.lead][place];
      if (!cells.some(isNumber)) continue;
      rows.push(tag("tr", {}, tag("th", { scope: "row" }, label), ...cells.map((x) => tag("td", {}, show(x, 3)))));
    }
    $("events").replaceChildren(...rows);
  }

  function ensemble() {
    $("ensemble-section").hidden = !data.ensemble;
    if (!data.ensemble) return;
    const ranks = data.ensemble.ranks[state.lead][state.variable] || [];
    const flat = ranks.length ? [[0, 1 / ranks.length], [ranks.length - 1, 1 / ranks.length]] : [];
    plot($("ranks"), `Rank of the truth among the members, +${show(data.leads[state.lead])} h`,
      [{ name: "", bars: true, points: ranks.map((y, x) => [x, y]) }, { name: "flat", thin: true, colour: "var(--s7)", points: flat }],
      { xLabel: "rank", yLabel: "share of forecasts", zero: true });
    spreadAndSkill(); coverage(ranks);
    const reliability = data.ensemble.reliability, place = reliability ? reliability.names.indexOf(data.variables[state.variable]) : -1;
    $("reliability").hidden = place < 0;
    if (place < 0) return;
    const curvesOf = reliability.thresholds[place].map((limit, k) => ({ limit, points: reliability.values[state.lead][place][k] }))
      .filter((c) => isNumber(c.limit)).map((c, i) => ({ name: `≥ ${show(c.limit)}`, colour: COLOURS[i], points: c.points.filter((p) => isNumber(p[0])) }));
    plot($("reliability"), `Reliability, +${show(data.leads[state.lead])} h`,
      [...curvesOf, { name: "perfect", thin: true, colour: "var(--s7)", points: [[0, 0], [1, 1]] }], { xLabel: "forecast probability", yLabel: "observed frequency", range: [0, 1] });
  }

  // the spread should follow the error of the mean over the lead times
  function spreadAndSkill() {
    const v = state.variable, pairs = [["rmse", "error of the mean", COLOURS[1]], ["spread", "spread", COLOURS[0]]].filter(([m]) => data.metrics[m]);
    const series = pairs.map(([m, name, colour]) => ({ name, colour, points: data.leads.map((h, t) => [h, data.metrics[m].values[0][t][v]]) }))
      .filter((s) => s.points.some((p) => isNumber(p[1])));
    plot($("spread-skill"), `Spread and error of ${data.variables[v]}${bracketed(data.units[v])}`, series,
      { xLabel: "lead time [h]", yLabel: data.units[v], zero: true, line: data.leads[state.lead], xTicks: data.leads.length <= 8 ? data.leads : undefined });
  }

  // of the interval between the (k + 1)th lowest and the (k + 1)th highest of m members: the truth lies in it in (m - 1 - 2k)/(m + 1) of the cases
  function coverage(ranks) {
    const count = ranks.length, points = [];
    for (let k = 1; 2 * k < count; k++) {
      const inside = ranks.slice(k, count - k);
      if (inside.every(isNumber)) points.unshift([inside.length / count, inside.reduce((a, b) => a + b, 0)]);
    }
    plot($("coverage"), `Coverage of the members' intervals, +${show(data.leads[state.lead])} h`,
      points.length ? [{ name: "truth inside", colour: COLOURS[0], points }, { name: "right", thin: true, colour: "var(--s7)", points: [[0, 0], [1, 1]] }] : [],
      { xLabel: "share that should lie inside", yLabel: "share that did", range: [0, 1], empty: "fewer than two members" });
  }

  // the course of a forecast at its worst cell; quantiles where there are members
  function meteogram(c) {
    const figure = tag("figure", { class: "meteogram" }, tag("figcaption"), tag("div", { class: "plot" })), m = c.meteogram;
    const along = (value) => data.leads.map((h, t) => [h, ...value(t)]);
    const truth = { name: "truth", colour: "var(--s7)", points: along((t) => [m.truth[t]]) };
    const forecast = m.quantiles
      ? [{ name: "median, 25 to 75 % and 10 to 90 % of the members", band: true, colour: COLOURS[0], points: along((t) => [m.quantiles[t][2], m.quantiles[t][0], m.quantiles[t][4]]) },
        { name: "", band: true, colour: COLOURS[0], points: along((t) => [m.quantiles[t][2], m.quantiles[t][1], m.quantiles[t][3]]) }]
      : [{ name: "forecast", colour: COLOURS[0], points: along((t) => [m.forecast[t]]) }];
    const unit = data.units[state.variable];
    plot(figure, `At ${m.place}, where it was most wrong${bracketed(unit)}`, [...forecast, truth],
      { xLabel: "lead time [h]", yLabel: unit, line: c.lead, xTicks: data.leads.length <= 8 ? data.leads : undefined });
    return figure;
  }

  // beside each other: the course at the worst cell and, of an ensemble, how many members had an event and where it was
  function details(c) {
    const row = tag("div", { class: "maps" });
    if (c.meteogram) row.append(meteogram(c));
    if (c.probability) {
      const p = c.probability, limit = `${show(p.threshold)}${bracketed(data.units[state.variable])}`;
      const event = p.is_percentile ? `${limit}, the truth's 90th percentile` : limit;
      row.append(picture(`probability of at least ${event}`, p.images[0], p.bar), picture(`truth of at least ${event}`, p.images[1], p.bar));
    }
    return row;
  }

  function stamps(c) {
    const small = tag("div", { class: "stamps" }), more = c.stamps.num_members - c.stamps.images.length;
    c.stamps.images.forEach((address, i) => small.append(picture(`member ${i + 1}`, address, null)));
    if (more > 0) small.append(tag("p", { class: "note" }, `and ${more} more members`));
    return small;
  }

  function cases() {
    const found = (data.cases || []).filter((c) => c.variable === data.variables[state.variable]);
    $("case-section").hidden = !(data.cases || []).length;
    $("cases").replaceChildren(...found.map((c) => {
      const box = tag("div", { class: "case" }, tag("h3", {}, `${c.init_time} UTC +${show(c.lead)} h: RMSE ${show(c.rmse)}${bracketed(data.units[state.variable])}`));
      if (c.images) {
        const row = tag("div", { class: "maps" });
        for (const kind of ["truth", "forecast", "error"]) row.append(picture(kind, c.images[kind], kind === "error" ? c.error_bar : c.bar));
        box.append(row);
      }
      box.append(details(c));
      if (c.stamps) box.append(stamps(c));
      return box;
    }));
    if (!found.length) $("cases").append(tag("p", { class: "empty" }, "no case of this variable"));
  }

  function scores() {
    const head = tag("tr", {}, tag("th", { scope: "col" }, data.variables[state.variable]));
    data.systems.forEach((s) => head.append(tag("th", { scope: "col" }, s)));
    const rows = [head];
    for (const [name, metric] of Object.entries(data.metrics)) {
      const values = data.systems.map((_, s) => metric.values[s][state.lead][state.variable]);
      if (!values.some(isNumber)) continue;
      rows.push(tag("tr", {}, tag("th", { scope: "row" }, `${metric.long_name}${bracketed(metric.units || data.units[state.variable])}`),
        ...values.map((x) => tag("td", {}, show(x)))));
    }
    $("scores").replaceChildren(...rows);
  }

  // Controls ------------------------------------------------------------------------------------------

  function render() {
    $("variable").value = state.variable; $("metric").value = state.metric; $("reference").value = state.reference; $("lead").value = state.lead;
    $("lead-text").textContent = `+${show(data.leads[state.lead])} h`;
    scorecard(); curves(); spectrum(); maps(); events(); ensemble(); cases(); scores();
  }
  data.variables.forEach((name, i) => $("variable").append(tag("option", { value: i }, name)));
  Object.entries(data.metrics).forEach(([name, m]) => $("metric").append(tag("option", { value: name }, m.long_name)));
  data.systems.slice(1).forEach((name, i) => $("reference").append(tag("option", { value: i }, name)));
  $("reference").parentElement.hidden = data.systems.length < 2;
  $("lead").max = data.leads.length - 1;
  $("variable").addEventListener("change", (e) => { state.variable = Number(e.target.value); render(); });
  $("metric").addEventListener("change", (e) => { state.metric = e.target.value; render(); });
  $("reference").addEventListener("change", (e) => { state.reference = Number(e.target.value); render(); });
  $("lead").addEventListener("input", (e) => { state.lead = Number(e.target.value); render(); });
  const choose = (e) => {
    const cell = e.target.closest("td");
    if (!cell || (e.key && e.key !== "Enter" && e.key !== " ")) return;
    state.variable = Number(cell.dataset.variable); state.lead = Number(cell.dataset.lead); render();
  };
  $("scorecard").addEventListener("click", choose);
  $("scorecard").addEventListener("keydown", choose);
  render();
})();
