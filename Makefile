# RAR-Caffe. `make help` lists the targets; every variable below can be given on the command line.

PYTHON   := /usr/bin/python3
PRESET   ?= vgg19
BASE      = $(firstword $(subst +, ,$(PRESET)))
SIZE_vgg19   := 256
SIZE_compact := 96
SIZE_aflw_compact := 96
SIZE_tiny    := 64
FROM_VGG19 = $(filter-out %compact tiny,$(BASE))
SIZE      = $(or $(SIZE_$(BASE)),128)
W300     ?=
COFW     ?=
MTFL     ?=
DATA     ?= data/300w_$(SIZE)
COFW_DATA ?= data/cofw_$(SIZE)
AFLW_DATA ?= data/mtfl_$(SIZE)
BOXES    ?= detector
MARGIN   ?= 1.4
COFW_MARGIN ?= 1.45
COPIES   ?= 10
OCCLUDED ?= 0.4
VALIDATION ?= 0
SEED     ?= 0
OUT      ?= runs/$(PRESET)
WEIGHTS  ?= $(firstword $(wildcard $(OUT)/rar.caffemodel models/$(BASE)/$(BASE).caffemodel.h5) $(OUT)/rar.caffemodel)
ONNX     ?= $(OUT)/rar.onnx
FACES    ?= 50
TEST_SET ?= helen
BATCH    ?= 1
DEMO     ?= demo
BENCH    ?= bench
RUNS     ?= runs
TABLES   ?= tables
REPORT   ?= report.html
HOST     ?= 127.0.0.1
PORT     ?= 7860
CACHE    := $(or $(RAR_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rar-caffe)
VGG      := $(CACHE)/vgg19/vgg19_conv.caffemodel
VENVS    := $(CACHE)/venv
DASK_SETTINGS := tools/many/dask.yaml
LISTEN   ?= 127.0.0.1

# Caffe and the right BLAS kernels for what follows; fails with one line when Caffe is not built.
WITH_CAFFE := settings="$$($(PYTHON) -m tools.build.environment)" || exit 1; eval "$$settings";
RAR := $(WITH_CAFFE) $(PYTHON)

.PHONY: help caffe cupy env prototxt vgg19 data-300w data-cofw data-aflw check-data train-300w test-300w test-cofw test-aflw \
  ablations tables report test-occlusion oracle ship finder detect calibrate test-detect detect-many many many-scheduler \
  many-worker onnx test-onnx onnx-packages web web-packages demo bench test test-gpu lint clean
.DEFAULT_GOAL := help

# Those that use a model take the one that comes with the project, unless PRESET= is given.
detect detect-many web onnx test-onnx test-detect calibrate: PRESET = compact

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

caffe: ## build BVLC Caffe into the per-machine cache (CUDA=1 [CUDNN= NCCL= CUDA_ARCH=]: for GPUs; CAFFE_SRC=: your checkout)
	@$(PYTHON) -m tools.build $(if $(filter 1,$(CUDA)),--cuda,$(if $(filter 0,$(CUDA)),--cpu))

cupy: ## CuPy beside a Caffe built with CUDA=1, so that no whole map leaves the GPU
	@$(PYTHON) -m tools.build --cupy >/dev/null

env: ## print what to export so that `caffe train` and `caffe test` work by hand: eval "$$(make -s env)"
	@$(PYTHON) -m tools.build.environment
	@echo 'export DATA=$(DATA) TEST_SET=$(TEST_SET)'

prototxt: caffe ## write prototxt/ anew from tools/model/network.py and tools/model/presets.py
	@$(RAR) -m tools.model.prototxt

data-300w: caffe ## prepare 300-W: W300=DIR [DATA= BOXES=detector|gt MARGIN= COPIES= OCCLUDED= OCCLUDERS= VALIDATION= SEED=]
	@test -n "$(W300)" || { echo 'error: give W300=DIR, the root of 300-W with afw/, helen/, lfpw/, ibug/' >&2; exit 1; }
	@$(RAR) -m data_prep.prepare_300w --raw "$(W300)" --out "$(DATA)" --boxes $(BOXES) --crop-size $(SIZE) \
	  --margin $(MARGIN) --copies $(COPIES) --occluded $(OCCLUDED) --validation $(VALIDATION) --seed $(SEED) \
	  $(if $(OCCLUDERS),--occluders "$(OCCLUDERS)") $(if $(SKIP_BAD),--skip-bad)

data-cofw: caffe ## prepare COFW: COFW=DIR [COFW_DATA= COFW_MARGIN= COPIES= OCCLUDED= OCCLUDERS= VALIDATION= SEED=]
	@test -n "$(COFW)" || { echo 'error: give COFW=DIR, the folder of COFW_train_color.mat and COFW_test_color.mat' >&2; exit 1; }
	@$(RAR) -m data_prep.prepare_cofw --raw "$(COFW)" --out "$(COFW_DATA)" --crop-size $(SIZE) --margin $(COFW_MARGIN) \
	  --copies $(COPIES) --occluded $(OCCLUDED) --validation $(VALIDATION) --seed $(SEED) \
	  $(if $(OCCLUDERS),--occluders "$(OCCLUDERS)") $(if $(SKIP_BAD),--skip-bad)

data-aflw: caffe ## prepare MTFL/AFLW, five points: MTFL=DIR [AFLW_DATA= MARGIN= COPIES= OCCLUDED= VALIDATION= SEED=]
	@test -n "$(MTFL)" || { echo 'error: give MTFL=DIR, the folder with training.txt, testing.txt and the pictures' >&2; exit 1; }
	@$(RAR) -m data_prep.prepare_mtfl --raw "$(MTFL)" --out "$(AFLW_DATA)" --crop-size $(SIZE) --centres 50 \
	  --margin $(MARGIN) --copies $(COPIES) --occluded $(OCCLUDED) --validation $(VALIDATION) --seed $(SEED) \
	  $(if $(OCCLUDERS),--occluders "$(OCCLUDERS)") $(if $(SKIP_BAD),--skip-bad)

check-data: ## verify prepared data: DATA=
	@$(PYTHON) -m data_prep.check "$(DATA)"

vgg19: caffe ## initial weights of conv1-conv5 into the cache (VGG19=: your VGG_ILSVRC_19_layers.caffemodel)
	@$(RAR) -m tools.model.vgg19 --out "$(VGG)" $(if $(VGG19),--caffemodel "$(VGG19)")

train-300w: caffe $(if $(FROM_VGG19),vgg19) ## train: PRESET= [DATA= OUT= SEED= WARM_UP= NEW_STEPS=1 GPUS=0,1]; again: goes on
	@$(RAR) -m tools.train --preset $(PRESET) --data "$(DATA)" --out "$(OUT)" --seed $(SEED) \
	  $(if $(FROM_VGG19),--vgg19 "$(VGG)") $(if $(GPUS),--gpus $(GPUS)) \
	  $(if $(WARM_UP),--warm-up "$(WARM_UP)") $(if $(filter 1,$(NEW_STEPS)),--new-steps) $(if $(WARM_UP_ITERATIONS),--warm-up-iterations $(WARM_UP_ITERATIONS)) $(if $(ITERATIONS),--iterations $(ITERATIONS))

test-300w: caffe ## test on every subset there is: PRESET= [DATA= WEIGHTS= OUT= GPU=]; Table 1, pictures, a line a subset
	@$(RAR) -m tools.test.faces --preset $(PRESET) --weights "$(WEIGHTS)" --data "$(DATA)" --out "$(OUT)/results.json" --batch $(BATCH) $(if $(GPU),--gpu $(GPU)) \
	  $(if $(TRAINED_SEED),--trained-seed $(TRAINED_SEED))
	@$(PYTHON) -m tools.draw --results "$(OUT)/results.json" --data "$(DATA)" --out "$(OUT)/pictures" \
	  $(if $(wildcard $(OUT)/log.csv),--log "$(OUT)/log.csv")
	@$(PYTHON) -m tools.evaluate 300w --results "$(OUT)/results.json"

test-cofw: caffe ## test on COFW: PRESET= [COFW_DATA= WEIGHTS= OUT=]; Table 2; 68 points are mapped to 29
	@$(RAR) -m tools.test.faces --preset $(PRESET) --weights "$(WEIGHTS)" --data "$(COFW_DATA)" --sets train,cofw \
	  --out "$(OUT)/results_cofw.json" --batch $(BATCH)
	@$(PYTHON) -m tools.evaluate cofw --results "$(OUT)/results_cofw.json"

test-aflw: caffe ## test a 5-point or a 68-point model on AFLW: PRESET= [AFLW_DATA= WEIGHTS= OUT=]; Table 3
	@$(RAR) -m tools.test.faces --preset $(PRESET) --weights "$(WEIGHTS)" --data "$(AFLW_DATA)" --sets aflw \
	  --out "$(OUT)/results_aflw.json" --batch $(BATCH)
	@$(PYTHON) -m tools.evaluate aflw --results "$(OUT)/results_aflw.json"

ABLATIONS ?= initialisation=direct initialisation=mean initialisation=random weighting=uniform weighting=ones
SEEDS     ?= 1
NUMBERS    = $(if $(filter 1,$(SEEDS)),$(SEED),$(shell seq 0 $$(($(SEEDS) - 1))))
STEPS_FROM = $(or $(WARM_UP),$(OUT)/warm_up.caffemodel)
# The results of the full model and of every variant; the first seed's lie in the run's folder, the others' under it.
at_seed    = $(foreach n,$(NUMBERS),"$(1)$(if $(filter-out $(firstword $(NUMBERS)),$(n)),/seed_$(n))/results.json")
ABLATED    = $(call at_seed,$(OUT)) $(foreach a,$(ABLATIONS),$(call at_seed,$(OUT)+$(a)))
ablations: caffe ## Table 5, Sect. 4.4: variants trained from one warm-up as long as the full model: PRESET= [ABLATIONS= SEEDS=5 DATA= ITERATIONS=]
	@test -f "$(STEPS_FROM)" || { echo 'error: no $(STEPS_FROM): make train-300w PRESET=$(PRESET) first' >&2; exit 1; }
	@set -e; for seed in $(NUMBERS); do for change in full $(ABLATIONS); do \
	  name="$(PRESET)"; out="$(OUT)"; \
	  if [ $$change != full ]; then name="$$name+$$change"; out="$$out+$$change"; fi; \
	  if [ $$seed != $(firstword $(NUMBERS)) ]; then out="$$out/seed_$$seed"; elif [ $$change$(SEEDS) = full1 ]; then continue; fi; \
	  $(MAKE) --no-print-directory train-300w test-300w PRESET="$$name" OUT="$$out" WARM_UP="$(STEPS_FROM)" \
	    WEIGHTS="$$out/rar.caffemodel" SEED=$$seed $(if $(filter-out 1,$(SEEDS)),TRAINED_SEED=$$seed); done; done
	@$(RAR) -m tools.evaluate ablations $(addprefix --results ,$(ABLATED))
	@$(RAR) -m tools.evaluate compare $(ABLATED)
	@$(RAR) -m tools.draw.compare --data "$(DATA)" --out "$(OUT)/pictures/compare.png" \
	  "$(OUT)/results.json" $(foreach a,$(ABLATIONS),"$(OUT)+$(a)/results.json")

tables: caffe ## Tables 1, 2, 3 and 5 from all results under RUNS=runs: Markdown, CSV, LaTeX in TABLES=tables
	@$(RAR) -m tools.evaluate.paper_tables --runs "$(RUNS)" --out "$(TABLES)"

report: caffe ## all tables and pictures of RUNS=runs on one page, REPORT=report.html
	@$(RAR) -m tools.report.page --runs "$(RUNS)" --out "$(REPORT)"

test-occlusion: caffe ## NME under a disc of growing size, on TEST_SET: PRESET= [DATA= WEIGHTS= OUT= TEST_SET=helen]
	@$(RAR) -m tools.test.occlusion --model $(PRESET) "$(WEIGHTS)" --data "$(DATA)/$(TEST_SET)" --out "$(OUT)" --seed $(SEED)

oracle: caffe ## what the choice of centres could be worth and what A-LSTM makes of it, plain and occluded: PRESET= [DATA= WEIGHTS= OUT= TEST_SET= SIZES= DRAWS=]
	@$(RAR) -m tools.test.oracle --preset $(PRESET) --weights "$(WEIGHTS)" --data "$(DATA)/$(TEST_SET)" --out "$(OUT)" \
	  $(if $(SIZES),--sizes $(SIZES)) $(if $(DRAWS),--draws $(DRAWS))

finder: $(VENVS)/finder/made ## the face finder of `make detect`, from PyPI

detect: caffe finder ## landmarks on pictures and videos: IMAGES="a.jpg folder/ b.mp4" [PRESET= WEIGHTS= OUT= BOXFILE= TRACE=1 GPU=]
	@$(RAR) -m tools.detect --preset $(PRESET) --weights "$(WEIGHTS)" --out "$(OUT)/detected" --batch $(BATCH) \
	  $(if $(BOXFILE),--boxes "$(BOXFILE)") $(if $(filter 1,$(TRACE)),--trace) $(if $(GPU),--gpu $(GPU)) $(IMAGES)

calibrate: caffe ## expected error of every landmark, beside the weights: PRESET= [DATA= WEIGHTS= OUT= TEST_SET=helen]
	@$(RAR) -m tools.detect.calibrate --preset $(PRESET) --weights "$(WEIGHTS)" --data "$(DATA)" --check $(TEST_SET) --out "$(OUT)"

test-detect: caffe finder ## found boxes against given ones, time a face: W300=DIR [PRESET= WEIGHTS= OUT= TEST_SET=helen]
	@test -n "$(W300)" || { echo 'error: give W300=DIR, the root of 300-W with afw/, helen/, lfpw/, ibug/' >&2; exit 1; }
	@$(RAR) -m tools.detect.score --preset $(PRESET) --weights "$(WEIGHTS)" --raw "$(W300)" --set $(TEST_SET) --out "$(OUT)"

ship: caffe ## models/PRESET out of a finished run: weights at half precision, tested, and the model card: PRESET= COMMANDS="made by | ..." [DATA= OUT=]
	@$(RAR) -m tools.report.ship --preset $(PRESET) --run "$(OUT)" --data "$(DATA)" --out "models/$(PRESET)" --commands "$(COMMANDS)"

onnx: caffe $(VENVS)/onnx/made ## the whole detector as one ONNX file: PRESET= [WEIGHTS= ONNX= RGB=1 HALF=1]
	@$(WITH_CAFFE) $(VENVS)/onnx/bin/python -m tools.onnx --preset $(PRESET) --weights "$(WEIGHTS)" --out "$(ONNX)" \
	  $(if $(filter 1,$(RGB)),--rgb) $(if $(filter 1,$(HALF)),--half)

test-onnx: caffe $(VENVS)/onnx/made ## that file beside Caffe, px and ms a face: PRESET= [WEIGHTS= ONNX= DATA= TEST_SET=helen FACES=50]
	@$(WITH_CAFFE) $(VENVS)/onnx/bin/python -m tools.onnx.compare --preset $(PRESET) --weights "$(WEIGHTS)" --onnx "$(ONNX)" \
	  --data "$(DATA)/$(TEST_SET)" --faces $(FACES)

onnx-packages: $(VENVS)/onnx/made ## onnx and onnxruntime from PyPI, which `make onnx` and its tests need

detect-many: caffe finder $(VENVS)/many/made ## landmarks on millions of pictures, on all cores: LIST=FILE or IMAGES= [PRESET= WEIGHTS= OUT= BOXFILE= SCHEDULER= WORKERS= CHUNK=]
	@$(WITH_CAFFE) $(VENVS)/many/bin/python -m tools.many --preset $(PRESET) --weights "$(WEIGHTS)" --out "$(OUT)/many" $(if $(LIST),--list "$(LIST)") \
	  $(if $(BOXFILE),--boxes "$(BOXFILE)") $(if $(SCHEDULER),--scheduler $(SCHEDULER)) $(if $(WORKERS),--workers $(WORKERS)) \
	  $(if $(CHUNK),--chunk $(CHUNK)) $(IMAGES)

many: $(VENVS)/many/made ## Dask and Parquet, which detect-many and its tests need, into an environment of their own

many-scheduler: $(VENVS)/many/made ## Dask's scheduler for detect-many on several machines, in a network that you trust: [LISTEN=127.0.0.1]
	@DASK_CONFIG=$(DASK_SETTINGS) $(VENVS)/many/bin/dask scheduler --host $(LISTEN)

many-worker: caffe $(VENVS)/many/made ## a machine's processes for detect-many: SCHEDULER=tcp://HOST:8786 [WORKERS=one a core]
	@test -n "$(SCHEDULER)" || { echo 'error: give SCHEDULER=tcp://HOST:8786, as make many-scheduler prints it' >&2; exit 1; }
	@$(WITH_CAFFE) OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 DASK_CONFIG=$(DASK_SETTINGS) $(VENVS)/many/bin/dask worker $(SCHEDULER) \
	  --nthreads 1 --nworkers $(or $(WORKERS),$$($(PYTHON) -c 'from tools.build.environment import usable_cores as n; print(n())'))

web: caffe finder $(VENVS)/web/made ## a page on this machine: drop a picture, see every step: [PRESET= WEIGHTS= HOST=127.0.0.1 PORT=7860]
	@$(WITH_CAFFE) $(VENVS)/web/bin/python -m tools.web --preset $(PRESET) --weights "$(WEIGHTS)" --host $(HOST) --port $(PORT)

web-packages: $(VENVS)/web/made $(VENVS)/browser/made ## gradio and playwright from PyPI, which `make web` and its tests need

demo: caffe ## all of it on embedded synthetic faces, no download: data, training of `tiny`, test, table, pictures
	@$(PYTHON) -m data_prep.synthetic_faces --out "$(DEMO)/faces" --seed $(SEED)
	@$(RAR) -m data_prep.prepare_300w --raw "$(DEMO)/faces" --out "$(DEMO)/data" --dataset synthetic --any-count \
	  --crop-size 64 --copies 6 --validation 0.05 --seed $(SEED)
	@$(MAKE) --no-print-directory train-300w test-300w PRESET=tiny DATA="$(DEMO)/data" OUT="$(DEMO)/run"

bench: caffe ## time and memory beside stock Caffe and PyTorch: [PRESETS="vgg19 tiny" TORCH_PYTHON= GPU=1 BENCH=bench]
	@$(RAR) -m tools.bench $(foreach p,$(PRESETS),--preset $(p)) $(if $(filter 1,$(GPU)),--gpu) --out "$(BENCH)"

test: caffe ## the tests
	@$(RAR) -m pytest tests

test-gpu: caffe ## the tests of layers and kernels on GPU 0, and those that need a GPU (after make caffe CUDA=1, make cupy)
	@$(RAR) -m pytest --gpu tests/layers tests/gpu

lint: caffe $(VENVS)/lint/made ## ruff and mypy
	@$(VENVS)/lint/bin/ruff check .
	@$(RAR) -m tools.build.environment >/dev/null && $(VENVS)/lint/bin/mypy

# What PyPI alone has, in an environment of its own over the system's packages; pyproject.toml names the versions.
$(VENVS)/%/made: pyproject.toml
	@$(PYTHON) -m venv --system-site-packages "$(@D)"
	@"$(@D)/bin/pip" install -q $$(sed -n 's/^# $*: //p' pyproject.toml) && touch "$@"

clean: ## remove the demo and caches of Python here; prepared data, runs and Caffe stay
	@rm -rf "$(DEMO)" .pytest_cache .mypy_cache .ruff_cache
