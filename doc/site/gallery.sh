#!/usr/bin/env bash
# Pictures of the gallery, from the embedded data alone: $1 is the folder that they go to. Each has its command beside it.
set -euo pipefail
mkdir -p "$1"
cd "$1"
export PY4CAST_ROOTDIR="$PWD/runs"
draw() { printf '%s\n' "$2" > "$1.sh"; [ -f "$1.png" ] || eval "$2"; }
if [ ! -f fc.nc ]; then
  rm -rf runs
  py4cast train --dev_mode --set dataset.size=64 --no_log --run_name gallery --quiet > run.txt
  py4cast forecast --forecaster "$(tail -1 run.txt)/forecaster.safetensors" --init_time 2020-03-15T00 --num_steps 12 --output fc.nc --quiet
fi
draw chart "py4cast plot fc.nc --variables t2m,tp --lead_times 3h,6h,12h --output chart.png"
draw meteogram "py4cast plot fc.nc --kind meteogram --variables t2m,tp --at 50,4 --output meteogram.png"
draw hovmoller "py4cast plot fc.nc --kind hovmoller --variables t2m --output hovmoller.png"
draw mesh "py4cast graph --model hilam --output mesh.png"
[ -f view.html ] || py4cast view fc.nc --output view.html --quiet
