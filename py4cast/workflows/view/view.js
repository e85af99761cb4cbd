(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent), $ = (id) => document.getElementById(id);
  const MISSING = 255, rows = data.rows, columns = data.columns, count = rows * columns, frames = data.frames;
  const state = { variable: 0, frame: 0, source: "main", zoom: 1, x: columns / 2, y: rows / 2, place: null, timer: 0, drawn: -1 };
  const isNumber = (x) => typeof x === "number" && Number.isFinite(x);
  const tag = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    Object.entries(attributes).forEach(([k, v]) => element.setAttribute(k, v));
    element.append(...children);
    return element;
  };
  const svg = (name, attributes = {}, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach(([k, v]) => element.setAttribute(k, v));
    element.append(...children);
    return element;
  };
  const digits = (step) => {
    const first = Math.max(0, Math.min(6, Math.ceil(-Math.log10(step || 1))));
    const isWhole = (d) => Math.abs(step * 10 ** d - Math.round(step * 10 ** d)) < 1e-6 * Math.abs(step) * 10 ** d;
    return !isWhole(first) && isWhole(first + 1) ? first + 1 : first;  // one decimal for 2.5
  };
  const show = (x, step) => (isNumber(x) ? x.toFixed(digits(step)).replace(/^-(0(\.0*)?)$/, "$1").replace("-", "−") : "missing");
  const unit = (v) => (v.units ? ` ${v.units}` : "");

  // Layers: differences of neighbours, deflated -------------------------------------------------------

  const unpacked = new Map();
  const layer = (held, height = rows, width = columns) => {
    if (!unpacked.has(held.layer)) {
      const element = $(`layer${held.layer}`), text = atob(element.textContent), packed = new Uint8Array(text.length);
      element.remove();
      for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
      const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
      unpacked.set(held.layer, new Response(stream).arrayBuffer().then((buffer) => {
        const q = new Uint8Array(buffer), size = height * width;
        for (let first = 0; first < q.length; first += size) {
          for (let i = first + width; i < first + size; i++) q[i] += q[i - width];
          for (let i = first; i < first + size; i++) if ((i - first) % width) q[i] += q[i - 1];
        }
        return q;
      }));
    }
    return unpacked.get(held.layer);
  };
  const fields = new Map(); // by variable and source: unpacked bytes
  // points are held once each, and every pixel knows its own
  const size = data.cells ? data.cells.count : count;
  let cells = null;
  const field = async (v, source) => {
    const held = data.variables[v][source], key = `${v} ${source}`;
    if (!held) return null;
    if (data.cells && !cells) {
      const bytes = await layer(data.cells), places = new Uint32Array(count);
      for (let i = 0; i < count; i++) places[i] = bytes[i] | (bytes[count + i] << 8) | (bytes[2 * count + i] << 16);
      cells = places;
    }
    if (!fields.has(key)) fields.set(key, { q: await (data.cells ? layer(held, 1, size) : layer(held)), scales: held.scales });
    return fields.get(key);
  };
  const valueOf = (f, frame, i) => {
    const at = cells ? cells[i] : i, q = at < size ? f.q[frame * size + at] : MISSING;
    return q === MISSING ? NaN : f.scales[frame][0] + q * f.scales[frame][1];
  };
  // what is shown of a variable now: a value by cell, and how wrong it may be
  const shownField = async () => {
    const main = await field(state.variable, "main"), other = await field(state.variable, "other"), t = state.frame;
    if (state.source === "other" && other) return { f: other, error: other.scales[t][1] / 2, at: (i) => valueOf(other, t, i) };
    if (state.source === "difference" && other) {
      const turn = data.variables[state.variable].turn;  // of directions the shorter arc
      const apart = (x) => turn ? x - turn * Math.floor(x / turn + 0.5) : x;
      return { f: null, error: (main.scales[t][1] + other.scales[t][1]) / 2, at: (i) => apart(valueOf(main, t, i) - valueOf(other, t, i)) };
    }
    return { f: main, error: main.scales[t][1] / 2, at: (i) => valueOf(main, t, i) };
  };

  // Colours -------------------------------------------------------------------------------------------

  const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const pixel = ([r, g, b]) => (255 << 24) | (b << 16) | (g << 8) | r;
  const painter = (table) => {
    const colours = table.colours.map(rgb), [low, high] = table.span, n = colours.length;
    if (table.levels.length) {
      return (x) => {
        let k = 0;
        while (k < n - 1 && x >= table.levels[k + 1]) k++;
        return pixel(colours[k]);
      };
    }
    return (x) => {
      const s = Math.max(0, Math.min(n - 1, ((x - low) / (high - low)) * (n - 1))), k = Math.min(n - 2, Math.floor(s)), w = s - k;
      return pixel(colours[k].map((c, j) => Math.round(c * (1 - w) + colours[k + 1][j] * w)));
    };
  };
  const tableNow = () => { const v = data.variables[state.variable]; return state.source === "difference" ? v.difference : v.table; };
  const sheet = new OffscreenCanvas(columns, rows), paper = sheet.getContext("2d"), image = paper.createImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  const paint = (shown) => {
    const paintOf = painter(tableNow());
    if (shown.f) {
      const [low, step] = shown.f.scales[state.frame], colours = new Uint32Array(256), first = state.frame * size, q = shown.f.q;
      for (let k = 0; k < MISSING; k++) colours[k] = paintOf(low + k * step);
      if (cells) for (let i = 0; i < count; i++) pixels[i] = cells[i] < size ? colours[q[first + cells[i]]] : 0;
      else for (let i = 0; i < count; i++) pixels[i] = colours[q[first + i]];
    } else {
      const [low, top] = tableNow().span, colours = new Uint32Array(256), span = (top - low) || 1;
      for (let q = 0; q < 256; q++) colours[q] = paintOf(low + (q / 255) * span);
      for (let i = 0; i < count; i++) {
        const x = shown.at(i);
        pixels[i] = isNumber(x) ? colours[Math.max(0, Math.min(255, Math.round(((x - low) / span) * 255)))] : 0;
      }
    }
    paper.putImageData(image, 0, 0);
  };

  // The map -------------------------------------------------------------------------------------------

  const map = $("map"), pen = map.getContext("2d"), coast = new Path2D(data.coast);
  const meridians = data.graticule.map(([label, path]) => [label, new Path2D(path), path.slice(1).split(/[LM]/).map((p) => p.split(" ").map(Number))]);
  // pixels of the canvas per column and row, and where the first of them is
  const view = () => {
    const ratio = data.proportions, wide = Math.min(map.width, map.height * ratio) * state.zoom, high = wide / ratio;
    const sx = wide / columns, sy = high / rows;
    return { sx, sy, tx: map.width / 2 - state.x * sx, ty: map.height / 2 - state.y * sy };
  };
  const fit = () => {
    const box = map.parentElement, width = box.clientWidth, height = Math.min(window.innerHeight * 0.72, width / data.proportions), dpr = window.devicePixelRatio || 1;
    map.style.height = `${height}px`;
    map.width = Math.max(1, Math.round(width * dpr)); map.height = Math.max(1, Math.round(height * dpr));
  };
  const ink = () => getComputedStyle(document.body).getPropertyValue("--ink").trim() || "#000";
  const stroke = (path, v, colour, width) => {
    const moved = new Path2D();
    moved.addPath(path, new DOMMatrix([v.sx, 0, 0, v.sy, v.tx, v.ty]));
    pen.strokeStyle = colour; pen.lineWidth = width; pen.stroke(moved);
  };

  // lines of equal value through a smoothed field: the corners of every four cells in turn
  const every = Math.max(1, Math.ceil(Math.sqrt(count / 70000))), high = Math.ceil(rows / every), wide = Math.ceil(columns / every);
  const smooth = (at) => {
    let a = new Float32Array(high * wide);
    for (let r = 0; r < high; r++) for (let c = 0; c < wide; c++) a[r * wide + c] = at(r * every * columns + c * every);
    for (let pass = 0; pass < (Math.min(high, wide) > 60 ? 2 : 0); pass++) {
      const b = new Float32Array(high * wide);
      for (let r = 0; r < high; r++) for (let c = 0; c < wide; c++) {
        let sum = 0, n = 0;
        for (let dr = -1; dr <= 1; dr++) for (let dc = -1; dc <= 1; dc++) {
          const y = r + dr, x = c + dc;
          if (y < 0 || y >= high || x < 0 || x >= wide) continue;
          const value = a[y * wide + x];
          if (value === value) { sum += value; n++; }
        }
        b[r * wide + c] = a[r * wide + c] === a[r * wide + c] && n ? sum / n : NaN;
      }
      a = b;
    }
    return a;
  };
  const levelsOf = (a) => {
    let low = Infinity, high = -Infinity;
    for (const x of a) { if (x < low) low = x; if (x > high) high = x; }
    if (!(high > low)) return [];
    const raw = (high - low) / 12, power = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 4, 5, 10].find((f) => f * power >= raw) * power;
    const levels = [];
    for (let x = Math.ceil(low / step) * step; x <= high; x += step) levels.push(x);
    return levels;
  };
  const contours = (a, levels) => {
    const segments = levels.map(() => []);
    for (let r = 0; r + 1 < high; r++) for (let c = 0; c + 1 < wide; c++) {
      const i = r * wide + c, p = a[i], q = a[i + 1], s = a[i + wide + 1], u = a[i + wide];
      const least = Math.min(p, q, s, u), most = Math.max(p, q, s, u);
      if (!(least <= most)) continue;
      levels.forEach((level, k) => {
        if (level <= least || level > most) return;
        const crossings = [];
        if ((p < level) !== (q < level)) crossings.push(c + (level - p) / (q - p), r);
        if ((q < level) !== (s < level)) crossings.push(c + 1, r + (level - q) / (s - q));
        if ((u < level) !== (s < level)) crossings.push(c + (level - u) / (s - u), r + 1);
        if ((p < level) !== (u < level)) crossings.push(c, r + (level - p) / (u - p));
        for (let j = 0; j + 3 < crossings.length; j += 4) segments[k].push(crossings.slice(j, j + 4).map((x) => x * every));
      });
    }
    return segments;
  };
  const isolines = new Map(); // by frame and source
  const drawLines = async (v) => {
    if (data.lines === null || !$("lines").checked || state.source === "difference") return;
    const source = data.variables[data.lines][state.source] ? state.source : "main", key = `${state.frame} ${source}`;
    const f = await field(data.lines, source), t = state.frame;
    if (!isolines.has(key)) {
      if (isolines.size > 64) isolines.clear();
      const a = smooth((i) => valueOf(f, t, i)), levels = levelsOf(a);
      isolines.set(key, { levels, segments: contours(a, levels) });
    }
    const { levels, segments } = isolines.get(key);
    if (t !== state.frame) return;
    const dpr = window.devicePixelRatio || 1, step = levels.length > 1 ? levels[1] - levels[0] : 1;
    pen.strokeStyle = "#000"; pen.lineWidth = dpr; pen.fillStyle = "#000"; pen.font = `${10 * dpr}px system-ui, sans-serif`; pen.textAlign = "center"; pen.textBaseline = "middle";
    levels.forEach((level, k) => {
      pen.beginPath();
      for (const [x0, y0, x1, y1] of segments[k]) {
        pen.moveTo((x0 + 0.5) * v.sx + v.tx, (y0 + 0.5) * v.sy + v.ty); pen.lineTo((x1 + 0.5) * v.sx + v.tx, (y1 + 0.5) * v.sy + v.ty);
      }
      pen.stroke();
      const some = segments[k][Math.floor(segments[k].length / 2)];
      if (some) written(show(level, step), (some[0] + 0.5) * v.sx + v.tx, (some[1] + 0.5) * v.sy + v.ty, "#000");
    });
    if (source !== "main") return;
    pen.font = `bold ${15 * dpr}px system-ui, sans-serif`;
    for (const [c, r, letter, value] of (data.variables[data.lines].centres || [])[t] || []) {
      const x = (c + 0.5) * v.sx + v.tx, y = (r + 0.5) * v.sy + v.ty, colour = letter === "L" ? "#b2182b" : "#2166ac";
      pen.font = `bold ${15 * dpr}px system-ui, sans-serif`; written(letter, x, y, colour);
      pen.font = `${10 * dpr}px system-ui, sans-serif`; written(show(value, step), x, y + 13 * dpr, colour);
    }
  };
  const written = (text, x, y, colour) => {
    pen.lineWidth = 3 * (window.devicePixelRatio || 1); pen.strokeStyle = "rgba(255,255,255,0.8)"; pen.strokeText(text, x, y);
    pen.fillStyle = colour; pen.fillText(text, x, y);
    pen.strokeStyle = "#000"; pen.lineWidth = window.devicePixelRatio || 1;
  };

  const windAt = (q, wind, k, i) => {
    const size = wind.rows * wind.columns, first = state.frame * 2 * size, a = q[first + i], b = q[first + size + i], [low, step] = wind.scales[0];
    return a === MISSING || b === MISSING ? null : [low + a * step, low + b * step];
  };
  const drawWind = async (v) => {
    const wind = data.wind, kind = $("wind").value;
    if (!wind || kind === "none") return;
    const q = await layer(wind, wind.rows, wind.columns), dpr = window.devicePixelRatio || 1;
    const gap = Math.max(1, Math.round((26 * dpr) / (wind.every * Math.min(v.sx, v.sy))));
    pen.strokeStyle = "#111"; pen.fillStyle = "#111"; pen.lineWidth = 1.1 * dpr;
    for (let r = Math.floor(gap / 2); r < wind.rows; r += gap) for (let c = Math.floor(gap / 2); c < wind.columns; c += gap) {
      const x = (wind.first + c * wind.every + 0.5) * v.sx + v.tx, y = (wind.first + r * wind.every + 0.5) * v.sy + v.ty;
      if (x < -20 || y < -20 || x > map.width + 20 || y > map.height + 20) continue;
      const uv = windAt(q, wind, gap, r * wind.columns + c);
      if (uv) (kind === "barbs" ? barb : arrow)(x, y, uv[0], uv[1], dpr, wind.south[r]);
    }
  };
  const arrow = (x, y, u, w, dpr) => {
    const speed = Math.hypot(u, w), length = Math.min(22, 2 + 1.3 * speed) * dpr;
    if (speed < 0.3) return;
    const dx = (u / speed) * length, dy = (-w / speed) * length, hx = x + dx / 2, hy = y + dy / 2, ex = dx / length, ey = dy / length;
    pen.beginPath(); pen.moveTo(x - dx / 2, y - dy / 2); pen.lineTo(hx, hy);
    pen.moveTo(hx - 4 * dpr * (ex + 0.6 * ey), hy - 4 * dpr * (ey - 0.6 * ex)); pen.lineTo(hx, hy); pen.lineTo(hx - 4 * dpr * (ex - 0.6 * ey), hy - 4 * dpr * (ey + 0.6 * ex));
    pen.stroke();
  };
  // a half barb for 5 kn, a whole one for 10, a flag for 50; on the left of the wind, in the south on its right
  const barb = (x, y, u, w, dpr, south) => {
    let knots = Math.round((Math.hypot(u, w) * 1.943844) / 5) * 5;
    if (knots < 5) { pen.beginPath(); pen.arc(x, y, 2 * dpr, 0, 7); pen.stroke(); return; }
    const speed = Math.hypot(u, w), ex = -u / speed, ey = w / speed, length = 18 * dpr, side = south ? -1 : 1, nx = -ey * side, ny = ex * side;
    pen.beginPath(); pen.moveTo(x, y); pen.lineTo(x + ex * length, y + ey * length);
    let at = length;
    const mark = (out, back) => { pen.moveTo(x + ex * at, y + ey * at); pen.lineTo(x + ex * (at + back) + nx * out, y + ey * (at + back) + ny * out); };
    while (knots >= 50) {
      pen.moveTo(x + ex * at, y + ey * at); pen.lineTo(x + ex * (at - 2.5 * dpr) + nx * 8 * dpr, y + ey * (at - 2.5 * dpr) + ny * 8 * dpr); pen.lineTo(x + ex * (at - 5 * dpr), y + ey * (at - 5 * dpr));
      at -= 6 * dpr; knots -= 50;
    }
    while (knots >= 10) { mark(8 * dpr, 3 * dpr); at -= 3.5 * dpr; knots -= 10; }
    if (knots >= 5) { if (at === length) at -= 3.5 * dpr; mark(4 * dpr, 1.5 * dpr); }
    pen.stroke();
  };

  let turn = 0;
  const draw = async () => {
    const mine = ++turn, shown = await shownField(), began = performance.now();
    if (mine !== turn) return;
    paint(shown);
    const v = view(), dpr = window.devicePixelRatio || 1;
    pen.clearRect(0, 0, map.width, map.height);
    pen.imageSmoothingEnabled = false;
    pen.fillStyle = "#d9d9d9"; pen.fillRect(v.tx, v.ty, v.sx * columns, v.sy * rows);  // what is missing is grey, no colour of a table
    pen.drawImage(sheet, v.tx, v.ty, v.sx * columns, v.sy * rows);
    pen.font = `${10 * dpr}px system-ui, sans-serif`; pen.textAlign = "left"; pen.textBaseline = "top";
    for (const [label, path, points] of meridians) {
      stroke(path, v, "rgba(60,60,60,0.35)", 0.7 * dpr);
      const seen = points.map(([c, r]) => [c * v.sx + v.tx, r * v.sy + v.ty]).find(([x, y]) => x > 2 && y > 2 && x < map.width - 34 * dpr && y < map.height - 14 * dpr);
      if (seen) written(label, seen[0] + 2 * dpr, seen[1] + 2 * dpr, "#333");
    }
    stroke(coast, v, "#1a1a1a", dpr);
    await drawLines(v);
    await drawWind(v);
    if (mine !== turn) { draw(); return; }
    if (state.place) {
      const x = (state.place[0] + 0.5) * v.sx + v.tx, y = (state.place[1] + 0.5) * v.sy + v.ty;
      for (const [colour, width] of [["#fff", 4], ["#d00000", 2]]) {
        pen.strokeStyle = colour; pen.lineWidth = width * dpr;
        pen.beginPath(); pen.arc(x, y, 7 * dpr, 0, 7); pen.moveTo(x - 12 * dpr, y); pen.lineTo(x + 12 * dpr, y); pen.moveTo(x, y - 12 * dpr); pen.lineTo(x, y + 12 * dpr); pen.stroke();
      }
    }
    if (state.drawn < 0) { map.hidden = false; $("still").remove(); performance.mark("first-map"); }
    state.drawn = state.frame;
    map.dataset.drawn = String(state.frame); map.dataset.ms = (performance.now() - began).toFixed(1);
  };

  // Places --------------------------------------------------------------------------------------------

  const between = (axis, at) => {
    const k = Math.max(0, Math.min(axis.length - 2, Math.floor(at))), w = Math.max(-0.5, Math.min(1.5, at - k));
    return axis.length < 2 ? axis[0] : axis[k] + w * (axis[k + 1] - axis[k]);
  };
  const latLon = (column, row) => {
    if (data.lat) return [between(data.lat, row), ((between(data.lon, column) + 540) % 360) - 180];
    const { rows: rs, columns: cs, xyz } = data.lattice;
    const cell = (places, at) => { let k = 0; while (k < places.length - 2 && places[k + 1] <= at) k++; return [k, (at - places[k]) / (places[k + 1] - places[k] || 1)]; };
    const [i, a] = cell(rs, row), [j, b] = cell(cs, column), i1 = Math.min(i + 1, rs.length - 1), j1 = Math.min(j + 1, cs.length - 1);
    const [x, y, z] = [0, 1, 2].map((d) => (xyz[i][j][d] * (1 - b) + xyz[i][j1][d] * b) * (1 - a) + (xyz[i1][j][d] * (1 - b) + xyz[i1][j1][d] * b) * a);
    return [(Math.atan2(z, Math.hypot(x, y)) * 180) / Math.PI, (Math.atan2(y, x) * 180) / Math.PI];
  };
  const written2 = ([lat, lon]) => `${Math.abs(lat).toFixed(2)}° ${lat < 0 ? "S" : "N"}, ${Math.abs(lon).toFixed(2)}° ${lon < 0 ? "W" : "E"}`;
  // the cell nearest to a place on the globe; null where that is not on the map
  const cellOf = (lat, lon) => {
    const rad = Math.PI / 180, x = Math.cos(lat * rad) * Math.cos(lon * rad), y = Math.cos(lat * rad) * Math.sin(lon * rad), z = Math.sin(lat * rad);
    let best = -2, place = null;
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) {
      const [a, b] = latLon(c, r), dot = Math.cos(a * rad) * Math.cos(b * rad) * x + Math.cos(a * rad) * Math.sin(b * rad) * y + Math.sin(a * rad) * z;
      if (dot > best) { best = dot; place = [c, r]; }
    }
    const [c, r] = place, [p, q] = latLon(c, r);
    const apart = ([a, b]) => Math.acos(Math.min(1, Math.sin(a * rad) * Math.sin(p * rad) + Math.cos(a * rad) * Math.cos(p * rad) * Math.cos((b - q) * rad)));
    const beside = [[c - 1, r], [c + 1, r], [c, r - 1], [c, r + 1]].filter(([x1, y1]) => x1 >= 0 && y1 >= 0 && x1 < columns && y1 < rows);
    const cell = Math.max(1e-6, ...beside.map((at) => apart(latLon(...at))));
    return Math.acos(Math.min(1, best)) > 1.5 * cell ? null : place;
  };
  const cellAt = (event) => {
    const box = map.getBoundingClientRect(), v = view(), scale = map.width / box.width;
    const c = Math.floor(((event.clientX - box.left) * scale - v.tx) / v.sx), r = Math.floor(((event.clientY - box.top) * scale - v.ty) / v.sy);
    return c >= 0 && r >= 0 && c < columns && r < rows ? [c, r] : null;
  };
  // the bearing of the picture's upward direction at a place, clockwise from north
  const upward = ([column, row]) => {
    if (data.lat) return 0;
    const rad = Math.PI / 180, [a, b] = latLon(column, Math.min(rows - 1, row + 1)).map((d) => d * rad), [p, q] = latLon(column, Math.max(0, row - 1)).map((d) => d * rad);
    return Math.atan2(Math.sin(q - b) * Math.cos(p), Math.cos(a) * Math.sin(p) - Math.sin(a) * Math.cos(p) * Math.cos(q - b)) / rad;
  };
  const tell = async (place) => {
    const shown = await shownField(), v = data.variables[state.variable];
    if (!place) return;
    const x = shown.at(place[1] * columns + place[0]);
    let text = `${written2(latLon(...place))}: ${v.label} ${isNumber(x) ? `${show(x, shown.error)} ± ${show(shown.error, shown.error / 10)}${unit(v)}` : "missing"}`;
    if (state.source !== "main") text += ` (${state.source === "other" ? data.other : "difference"})`;
    if (data.wind) {
      const q = await layer(data.wind, data.wind.rows, data.wind.columns), w = data.wind, near = (n, size) => Math.max(0, Math.min(size - 1, Math.round((n - w.first) / w.every)));
      const uv = windAt(q, w, 1, near(place[1], w.rows) * w.columns + near(place[0], w.columns));
      if (uv) text += `; ${w.title} ${Math.hypot(...uv).toFixed(1)} m s⁻¹ (${(1.943844 * Math.hypot(...uv)).toFixed(0)} kn)`;
      if (uv) text += ` from ${String(Math.round(((Math.atan2(-uv[0], -uv[1]) * 180) / Math.PI + upward(place) + 720) % 360) % 360).padStart(3, "0")}°`;
    }
    $("readout").textContent = text;
  };

  // the course of the chosen variable at the place, with quantiles where there are members
  const course = async () => {
    $("place").hidden = !state.place;
    if (!state.place) return;
    const v = data.variables[state.variable], i = state.place[1] * columns + state.place[0], main = await field(state.variable, "main"), other = await field(state.variable, "other");
    const series = [{ name: data.members > 1 ? "mean of the members" : frames[0].lead === null ? "values" : "forecast", colour: "var(--s0)", y: frames.map((_, t) => valueOf(main, t, i)) }];
    if (other) series.push({ name: data.other, colour: "var(--s1)", y: frames.map((_, t) => valueOf(other, t, i)) });
    const bands = [];
    if (v.quantiles) {
      const m = v.quantiles, q = await layer(m, m.rows, m.columns), size = m.rows * m.columns;
      const at = Math.min(m.rows - 1, Math.round(state.place[1] / m.every)) * m.columns + Math.min(m.columns - 1, Math.round(state.place[0] / m.every));
      const quantile = (t, k) => { const f = 5 * t + k, b = q[f * size + at]; return b === MISSING ? NaN : m.scales[f][0] + b * m.scales[f][1]; };
      for (const [low, high] of [[0, 4], [1, 3]]) bands.push(frames.map((_, t) => [quantile(t, low), quantile(t, high)]));
      series.unshift({ name: "median", colour: "var(--s2)", y: frames.map((_, t) => quantile(t, 2)) });
    }
    $("place-title").textContent = `At ${written2(latLon(...state.place))}`;
    $("course-title").textContent = `${v.title}${bands.length ? "; 25 to 75 % and 10 to 90 % of the members" : ""}`;
    const hours = frames.map((f) => (f.lead === null ? (Date.parse(`${f.valid}Z`) - Date.parse(`${frames[0].valid}Z`)) / 3.6e6 : f.lead));
    drawCourse(series, bands, hours, v);
    const head = tag("tr", {}, tag("th", { scope: "col" }, "valid [UTC]"), ...series.map((s) => tag("th", { scope: "col" }, s.name)));
    const step = main.scales[0][1];
    $("course-table").replaceChildren(head, ...frames.map((f, t) => tag("tr", {}, tag("th", { scope: "row" }, f.valid.replace("T", " ").slice(0, 16)), ...series.map((s) => tag("td", {}, show(s.y[t], step))))));
  };
  const drawCourse = (series, bands, hours, v) => {
    const W = 420, H = 240, left = 52, right = 10, top = 10, bottom = 46, all = [...series.flatMap((s) => s.y), ...bands.flat(2)].filter(isNumber);
    const target = $("course");
    if (!all.length) { target.replaceChildren(tag("p", { class: "note" }, "missing at all times here")); return; }
    let low = Math.min(...all), high = Math.max(...all);
    if (high === low) { low -= 0.5; high += 0.5; }
    const span = Math.max(hours[hours.length - 1] - hours[0], 1e-9), X = (h) => left + ((h - hours[0]) / span) * (W - left - right), Y = (y) => top + ((high - y) / (high - low)) * (H - top - bottom);
    const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `${v.title}: from ${show(low, (high - low) / 100)} to ${show(high, (high - low) / 100)}` });
    bands.forEach((band) => {
      const runs = [];  // of times one after the other; a time by itself is a bar
      band.forEach((b, t) => { if (isNumber(b[0])) (t && runs.length && isNumber(band[t - 1][0]) ? runs[runs.length - 1] : runs[runs.push([]) - 1]).push([t, ...b]); });
      for (const run of runs) {
        const [t, a, b] = run[0], style = { fill: "var(--s2)", opacity: 0.22 };
        if (run.length === 1) { picture.append(svg("rect", { x: X(hours[t]) - 4, y: Y(b), width: 8, height: Math.max(1, Y(a) - Y(b)), ...style })); continue; }
        picture.append(svg("path", { d: `M${run.map(([s, low1]) => `${X(hours[s])} ${Y(low1)}`).join("L")}L${[...run].reverse().map(([s, , high1]) => `${X(hours[s])} ${Y(high1)}`).join("L")}Z`, ...style }));
      }
    });
    // round numbers a round step apart
    const ticks = (from, to, steps) => { const step = steps.find((s) => (to - from) / s <= 5) || steps[steps.length - 1], values = []; for (let k = Math.ceil(from / step - 1e-9); k * step <= to + 1e-9 * step; k++) values.push(k * step); return [values, step]; };
    const power = 10 ** Math.floor(Math.log10((high - low) / 5)), [ys, yStep] = ticks(low, high, [1, 2, 5, 10].map((f) => f * power));
    for (const y of ys) picture.append(svg("line", { x1: left, x2: W - right, y1: Y(y), y2: Y(y), stroke: "var(--line)" }), svg("text", { x: left - 5, y: Y(y) + 4, "text-anchor": "end" }, show(y, yStep)));
    const isSeries = frames[0].lead === null, [hs, hStep] = ticks(hours[0], hours[hours.length - 1], [0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 720, 1440, 4380, 8760]);
    const when = (h) => new Date(Date.parse(`${frames[0].valid}Z`) + 3.6e6 * h).toISOString();
    for (const h of hours.length > 1 ? hs : [hours[0]]) picture.append(svg("text", { x: X(h), y: H - bottom + 15, "text-anchor": "middle" }, isSeries ? (hStep >= 24 && hours.length > 1 ? when(h).slice(0, 10) : when(h).slice(5, 16).replace("T", " ")) : `+${Math.round(100 * h) / 100}`));
    picture.append(svg("text", { x: (left + W) / 2, y: H - bottom + 29, "text-anchor": "middle" }, isSeries ? "UTC" : "lead time [h]"));
    const now = hours[state.frame];
    picture.append(svg("line", { x1: X(now), x2: X(now), y1: top, y2: H - bottom, stroke: "var(--mark)", "stroke-width": 2 }));
    series.forEach((s, k) => {
      let d = "", gap = true;
      s.y.forEach((y, t) => { if (!isNumber(y)) { gap = true; return; } d += `${gap ? "M" : "L"}${X(hours[t])} ${Y(y)}`; gap = false; });
      if (s.y.length < 30) s.y.forEach((y, t) => isNumber(y) && picture.append(svg("circle", { cx: X(hours[t]), cy: Y(y), r: 2.4, fill: s.colour })));
      picture.append(svg("path", { d, fill: "none", stroke: s.colour, "stroke-width": 1.8 }), svg("rect", { x: left + k * 130, y: H - 11, width: 12, height: 3, fill: s.colour }), svg("text", { x: left + k * 130 + 16, y: H - 5 }, s.name.slice(0, 20)));
    });
    target.replaceChildren(picture);
  };

  // Controls ------------------------------------------------------------------------------------------

  const legend = () => {
    const table = tableNow(), labels = $("ticks");
    $("bar").replaceChildren(...table.colours.map((c) => tag("i", { style: `background:${c}` })));
    labels.replaceChildren(...table.labels.map(([x, text]) => tag("span", { style: `left:${100 * x}%`, class: x < 0.04 ? "first" : x > 0.96 ? "last" : "" }, text)));
  };
  const title = () => {
    const v = data.variables[state.variable], f = frames[state.frame], what = { main: "", other: `${data.other}: `, difference: "difference: " }[state.source];
    $("map-title").textContent = `${what}${v.title}, ${f.title}`;
    $("frame-text").textContent = f.lead === null ? f.valid.replace("T", " ").slice(0, 16) : `+${f.lead} h`;
    $("frame").setAttribute("aria-valuetext", f.title);
    map.setAttribute("aria-label", `map of ${$("map-title").textContent}`);
  };
  const render = () => { $("frame").value = state.frame; $("variable").value = state.variable; $("source").value = state.source; title(); legend(); draw(); course(); if (state.place) tell(state.place); };
  const go = (frame) => { state.frame = (frame + frames.length) % frames.length; render(); };
  const play = (on) => {
    clearInterval(state.timer);
    state.timer = on ? setInterval(() => { if (state.drawn === state.frame) go(state.frame + 1); }, 250) : 0;
    $("play").textContent = on ? "stop" : "play"; $("play").setAttribute("aria-pressed", String(on));
  };
  const zoom = (factor, at = null) => {
    if (!at && state.place) [state.x, state.y] = [state.place[0] + 0.5, state.place[1] + 0.5];  // what was chosen stays in view
    const before = view(), x = at ? (at[0] - before.tx) / before.sx : state.x, y = at ? (at[1] - before.ty) / before.sy : state.y;
    const next = Math.max(1, Math.min(40, state.zoom * factor)), shrink = state.zoom / next;
    state.x = x + (state.x - x) * shrink; state.y = y + (state.y - y) * shrink; state.zoom = next;
    keep(); draw();
  };
  const keep = () => {
    if (state.zoom === 1) { state.x = columns / 2; state.y = rows / 2; return; }
    state.x = Math.max(0, Math.min(columns, state.x)); state.y = Math.max(0, Math.min(rows, state.y));
  };
  const choose = (place) => { state.place = place; render(); };

  data.variables.forEach((v, i) => $("variable").append(tag("option", { value: i }, v.title)));
  const sources = () => {
    const has = Boolean(data.variables[state.variable].other);
    $("source-label").hidden = !has;
    if (!has) state.source = "main";
    $("source").replaceChildren(tag("option", { value: "main" }, "forecast"), ...(has ? [tag("option", { value: "other" }, data.other), tag("option", { value: "difference" }, "difference")] : []));
  };
  $("lines-label").hidden = data.lines === null;
  if (data.lines !== null) $("lines-name").textContent = data.variables[data.lines].label;
  $("wind-label").hidden = !data.wind;
  $("frame").max = frames.length - 1; $("play").hidden = frames.length < 2;
  $("variable").addEventListener("change", (e) => { state.variable = Number(e.target.value); sources(); render(); });
  $("source").addEventListener("change", (e) => { state.source = e.target.value; render(); });
  $("frame").addEventListener("input", (e) => go(Number(e.target.value)));
  $("lines").addEventListener("change", draw); $("wind").addEventListener("change", draw);
  $("play").addEventListener("click", () => play(!state.timer));
  $("in").addEventListener("click", () => zoom(1.6)); $("out").addEventListener("click", () => zoom(1 / 1.6)); $("whole").addEventListener("click", () => zoom(0));
  $("go").addEventListener("submit", (e) => {
    e.preventDefault();
    const place = cellOf(Number($("lat").value), Number($("lon").value));
    if (place) choose(place); else $("readout").textContent = "That place is not on this map.";
  });
  let drag = null;
  map.addEventListener("pointerdown", (e) => { drag = { x: e.clientX, y: e.clientY, moved: false }; map.setPointerCapture(e.pointerId); });
  map.addEventListener("pointermove", (e) => {
    if (!drag) { tell(cellAt(e)); return; }
    const v = view(), scale = map.width / map.getBoundingClientRect().width, dx = e.clientX - drag.x, dy = e.clientY - drag.y;
    if (Math.hypot(dx, dy) < 4 && !drag.moved) return;
    drag = { x: e.clientX, y: e.clientY, moved: true };
    state.x -= (dx * scale) / v.sx; state.y -= (dy * scale) / v.sy; keep(); draw();
  });
  map.addEventListener("pointerup", (e) => { if (drag && !drag.moved) { const place = cellAt(e); if (place) choose(place); } drag = null; });
  map.addEventListener("wheel", (e) => {
    e.preventDefault();
    const box = map.getBoundingClientRect(), scale = map.width / box.width;
    zoom(e.deltaY < 0 ? 1.25 : 0.8, [(e.clientX - box.left) * scale, (e.clientY - box.top) * scale]);
  }, { passive: false });
  map.addEventListener("keydown", (e) => {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }, by = arrows[e.key];
    if (by && e.shiftKey) { state.x += (by[0] * columns) / (10 * state.zoom); state.y += (by[1] * rows) / (10 * state.zoom); keep(); draw(); }
    else if (by) {
      const at = state.place || [Math.floor(columns / 2), Math.floor(rows / 2)];
      choose([Math.max(0, Math.min(columns - 1, at[0] + by[0])), Math.max(0, Math.min(rows - 1, at[1] + by[1]))]);
    } else if (e.key === "+" || e.key === "=") zoom(1.6);
    else if (e.key === "-") zoom(1 / 1.6);
    else if (e.key === "0") zoom(0);
    else if (e.key === ",") go(state.frame - 1);
    else if (e.key === ".") go(state.frame + 1);
    else if (e.key === " ") play(!state.timer);
    else return;
    e.preventDefault();
  });
  // the box narrows when the course of a place comes beside it, not only with the window
  let boxWidth = 0;
  new ResizeObserver(([box]) => {
    if (Math.abs(box.contentRect.width - boxWidth) < 1) return;
    boxWidth = box.contentRect.width; fit(); draw();
  }).observe(map.parentElement);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());
  sources(); fit(); render();
})();
