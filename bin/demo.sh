#!/usr/bin/env bash
# The main job on the synthetic atmosphere: train, forecast, verify; ends with a score table and where things are.
set -euo pipefail
export PY4CAST_ROOTDIR="$1"
name="demo-$(date -u +%Y%m%dT%H%M%S)"
run=$(py4cast train --epochs 8 --strategy scaled_ar --num_pred_steps_val_test 12 --set model.num_filters=32 --run_name "$name" | tail -n 1)
py4cast forecast --forecaster "$run/forecaster.safetensors" --init_time 2020-03-13T06 --num_steps 12 --output "$run/forecast.nc" >/dev/null
py4cast verify --forecaster "$run/forecaster.safetensors" --num_steps 12 --output "$run/verify"
echo
echo "results   $run"
echo "scores    $run/verify/report.html (open it in a browser)"
echo "forecast  $run/forecast.nc"
echo "pictures  $run/plots/"
echo "logs      tensorboard --logdir $run"
