# RAR-Caffe. `make help` lists the targets. Each is a call of ./rar-caffe, which knows the defaults: ./rar-caffe COMMAND --help.
#
# Variables go after the target: make train-300w PRESET=compact OUT="my run". Those of the shell's environment count too,
# but for DATA, TEST_SET, HOST and PORT, which `make env`, conda and others set for purposes of their own.

RAR := ./rar-caffe

# $(call quoted,TEXT): one word for the shell, whatever is in it. $(call option,NAME,VARIABLE): --NAME 'value', when given.
quoted = '$(subst ','\'',$(1))'
given = $(if $(filter environment%,$(origin $(1))),$(if $(filter DATA TEST_SET HOST PORT,$(1)),,$($(1))),$($(1)))
option = $(if $(call given,$(2)),--$(1) $(call quoted,$(call given,$(2))))
# $(call flag,NAME,VARIABLE): --NAME, when the variable is 1.
flag = $(if $(filter 1,$(call given,$(2))),--$(1))

MODEL = $(call option,preset,PRESET) $(call option,run,OUT) $(call option,weights,WEIGHTS)
PREPARE = $(call option,preset,PRESET) $(call option,augment,AUGMENT) $(call option,quality,QUALITY) \
  $(call option,copies,COPIES) $(call option,occluded,OCCLUDED) \
  $(call option,occluders,OCCLUDERS) $(call option,validation,VALIDATION) $(call option,seed,SEED) $(call flag,skip-bad,SKIP_BAD)
TRAIN = $(call option,preset,PRESET) $(call option,seed,SEED) $(call option,gpus,GPUS) $(call option,warm-up,WARM_UP) \
  $(call flag,new-steps,NEW_STEPS) $(call option,warm-up-iterations,WARM_UP_ITERATIONS) $(call option,iterations,ITERATIONS)
SET = $(if $(call given,TEST_SET),$(TEST_SET),helen)
DATA_SET = $(if $(call given,DATA),--data $(call quoted,$(DATA)/$(SET)))

.PHONY: help caffe cupy env prototxt vgg19 data-300w data-cofw data-aflw check-data train-300w test-300w test-cofw test-aflw \
  ablations tables report test-occlusion oracle ship finder detect calibrate test-detect detect-many many many-certificates \
  many-scheduler many-worker onnx test-onnx onnx-packages web web-packages demo bench bundle test test-gpu lint docs doctor clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

caffe: ## build BVLC Caffe into the per-machine cache (CUDA=1 [CUDNN= NCCL= CUDA_ARCH=]: for GPUs; CAFFE_SRC=: your checkout)
	@$(RAR) build $(call flag,cuda,CUDA) $(if $(filter 0,$(CUDA)),--cpu)

bundle: ## one folder and its .tar.xz parts that run on any x86-64 Linux: [CUDA=1 CUDA_ARCH="75 80 86 89 90 100 120" BUNDLE=dist MODELS="compact"]
	@$(if $(filter 1,$(CUDA)),$(RAR) build --cuda --cupy &&) $(RAR) bundle $(call option,out,BUNDLE) $(foreach m,$(call given,MODELS),--model $(call quoted,$(m)))

cupy: ## CuPy beside a Caffe built with CUDA=1, so that no whole map leaves the GPU
	@$(RAR) build --cupy

env: ## print what to export so that `caffe train` and `caffe test` work by hand: eval "$$(make -s env)" [PRESET= DATA= TEST_SET=helen]
	@$(RAR) env $(call option,preset,PRESET) $(call option,data,DATA) --test-set $(call quoted,$(SET))

prototxt: ## write prototxt/ anew from tools/model/network.py and tools/model/presets.py
	@$(RAR) prototxt

data-300w: ## prepare 300-W: W300=DIR [PRESET= DATA= BOXES=detector|gt MARGIN= AUGMENT=fixed|live QUALITY= COPIES= OCCLUDED= OCCLUDERS= VALIDATION= SEED= SKIP_BAD=1]
	@$(RAR) data 300w $(call option,raw,W300) $(call option,out,DATA) $(call option,boxes,BOXES) $(call option,margin,MARGIN) $(PREPARE)

data-cofw: ## prepare COFW: COFW=DIR [PRESET= COFW_DATA= COFW_MARGIN= AUGMENT=fixed|live QUALITY= COPIES= OCCLUDED= OCCLUDERS= VALIDATION= SEED= SKIP_BAD=1]
	@$(RAR) data cofw $(call option,raw,COFW) $(call option,out,COFW_DATA) $(call option,margin,COFW_MARGIN) $(PREPARE)

data-aflw: ## prepare MTFL/AFLW, five points: MTFL=DIR [PRESET= AFLW_DATA= MARGIN= AUGMENT=fixed|live QUALITY= COPIES= OCCLUDED= OCCLUDERS= VALIDATION= SEED= SKIP_BAD=1]
	@$(RAR) data aflw $(call option,raw,MTFL) $(call option,out,AFLW_DATA) $(call option,margin,MARGIN) $(PREPARE)

check-data: ## verify prepared data: [PRESET= DATA=]
	@$(RAR) check $(call option,preset,PRESET) $(if $(call given,DATA),$(call quoted,$(DATA)))

vgg19: ## initial weights of conv1-conv5 into the cache (VGG19=: your VGG_ILSVRC_19_layers.caffemodel)
	@$(RAR) vgg19 $(call option,caffemodel,VGG19)

train-300w: ## train: [PRESET= DATA= OUT= SEED= WARM_UP= NEW_STEPS=1 WARM_UP_ITERATIONS= ITERATIONS= GPUS=0,1 VGG19=]; again: goes on
	@$(if $(call given,VGG19),$(RAR) vgg19 $(call option,caffemodel,VGG19) && )$(RAR) train $(TRAIN) $(call option,data,DATA) $(call option,out,OUT)

test-300w: ## test on every subset there is: [PRESET= DATA= WEIGHTS= OUT= BATCH= GPU=]; Table 1, pictures, a line a subset
	@$(RAR) test --protocol 300w $(MODEL) $(call option,data,DATA) $(call option,batch,BATCH) $(call option,gpu,GPU)

test-cofw: ## test on COFW: [PRESET= COFW_DATA= WEIGHTS= OUT= BATCH= GPU=]; Table 2; 68 points are mapped to 29
	@$(RAR) test --protocol cofw $(MODEL) $(call option,data,COFW_DATA) $(call option,batch,BATCH) $(call option,gpu,GPU)

test-aflw: ## test a 5-point or a 68-point model on AFLW: [PRESET= AFLW_DATA= WEIGHTS= OUT= BATCH= GPU=]; Table 3
	@$(RAR) test --protocol aflw $(MODEL) $(call option,data,AFLW_DATA) $(call option,batch,BATCH) $(call option,gpu,GPU)

ablations: ## Table 5, Sect. 4.4: variants trained from one warm-up as long as the full model: [PRESET= ABLATIONS="a=b c=d" DATA= OUT= ITERATIONS= SEED= SEEDS=5]
	@$(RAR) ablations $(call option,preset,PRESET) $(call option,run,OUT) $(call option,data,DATA) $(foreach a,$(ABLATIONS),--change $(call quoted,$(a))) \
	  $(call option,iterations,ITERATIONS) $(call option,seed,SEED) $(call option,seeds,SEEDS) $(call option,warm-up,WARM_UP)

tables: ## Tables 1, 2, 3 and 5 from all results: Markdown, CSV, LaTeX: [RUNS= TABLES=]
	@$(RAR) tables $(call option,runs,RUNS) $(call option,out,TABLES)

report: ## all tables and pictures on one page: [RUNS= REPORT=report.html]
	@$(RAR) report $(call option,runs,RUNS) $(call option,out,REPORT)

test-occlusion: ## NME under a disc of growing size: [PRESET= DATA= WEIGHTS= OUT= SEED= TEST_SET=helen]
	@$(RAR) occlusion $(MODEL) $(DATA_SET) $(call option,seed,SEED)

oracle: ## what the choice of centres could be worth and what A-LSTM makes of it: [PRESET= DATA= WEIGHTS= OUT= TEST_SET=helen DISCS=0,0.2 DRAWS=5]
	@$(RAR) oracle $(MODEL) $(DATA_SET) $(call option,sizes,DISCS) $(call option,draws,DRAWS)

finder: ## the face finder of `make detect`, from PyPI
	@$(RAR) packages finder

detect: ## landmarks on pictures and videos: IMAGES="a.jpg folder/ b.mp4" [PRESET= WEIGHTS= OUT= BOXFILE= BATCH= TRACE=1 GPU=]
	@$(RAR) detect $(MODEL) $(call option,boxes,BOXFILE) $(call option,batch,BATCH) $(call flag,trace,TRACE) $(call option,gpu,GPU) $(IMAGES)

calibrate: ## expected error of every landmark, beside the weights: [PRESET= DATA= WEIGHTS= OUT= TEST_SET=helen]
	@$(RAR) calibrate $(MODEL) $(call option,data,DATA) --check $(call quoted,$(SET))

test-detect: ## found boxes against given ones, time a face: W300=DIR [PRESET= WEIGHTS= OUT= TEST_SET=helen]
	@$(RAR) test-detect $(MODEL) $(call option,raw,W300) --set $(call quoted,$(SET))

ship: ## models/PRESET out of a finished run: weights at half precision, tested, and the model card: PRESET= COMMANDS="made by | ..." [DATA= OUT=]
	@$(RAR) ship $(call option,preset,PRESET) $(call option,run,OUT) $(call option,data,DATA) $(call option,commands,COMMANDS)

onnx: ## the whole detector as one ONNX file: [PRESET= WEIGHTS= OUT= ONNX= RGB=1 HALF=1]
	@$(RAR) onnx $(MODEL) $(call option,out,ONNX) $(call flag,rgb,RGB) $(call flag,half,HALF)

test-onnx: ## that file beside Caffe, px and ms a face: [PRESET= WEIGHTS= OUT= ONNX= DATA= TEST_SET=helen FACES=50]
	@$(RAR) test-onnx $(MODEL) $(call option,onnx,ONNX) $(DATA_SET) $(call option,faces,FACES)

onnx-packages: ## onnx and onnxruntime from PyPI, which `make onnx` and its tests need
	@$(RAR) packages onnx

detect-many: ## landmarks on millions of pictures, on all cores: LIST=FILE or IMAGES= [PRESET= WEIGHTS= OUT= BOXFILE= SCHEDULER= CERTIFICATES= WORKERS= CHUNK=]
	@$(RAR) many $(MODEL) $(call option,list,LIST) $(call option,boxes,BOXFILE) $(call option,scheduler,SCHEDULER) \
	  $(call option,certificates,CERTIFICATES) $(call option,workers,WORKERS) $(call option,chunk,CHUNK) $(IMAGES)

many: ## Dask and Parquet, which detect-many and its tests need, into an environment of their own
	@$(RAR) packages many

many-certificates: ## certificates for detect-many on several machines, a folder to copy to each: [CERTIFICATES=certificates]
	@$(RAR) many-certificates $(call option,out,CERTIFICATES)

many-scheduler: ## Dask's scheduler for detect-many on several machines: [LISTEN=127.0.0.1 CERTIFICATES= DASHBOARD=port]
	@$(RAR) many-scheduler $(call option,listen,LISTEN) $(call option,certificates,CERTIFICATES) $(call option,dashboard,DASHBOARD)

many-worker: ## a machine's processes for detect-many: SCHEDULER=tls://HOST:8786 [LISTEN=127.0.0.1 CERTIFICATES= WORKERS=one a core]
	@$(RAR) many-worker $(call option,listen,LISTEN) $(call option,certificates,CERTIFICATES) $(call option,workers,WORKERS) \
	  $(if $(call given,SCHEDULER),$(call quoted,$(SCHEDULER)))

web: ## a page on this machine: drop a picture, see every step: [PRESET= WEIGHTS= OUT= HOST=127.0.0.1 PORT=7860 TIME_LIMIT=20 SERVER_NAME=]
	@$(RAR) web $(MODEL) $(call option,host,HOST) $(call option,port,PORT) $(call option,time-limit,TIME_LIMIT) $(call option,name,SERVER_NAME)

web-packages: ## Starlette, uvicorn and playwright from PyPI, which `make web` and its tests need
	@$(RAR) packages web browser

demo: ## all of it on embedded synthetic faces, no download: data, training of `tiny`, test, table, pictures: [DEMO=demo SEED=0]
	@$(RAR) demo $(call option,out,DEMO) $(call option,seed,SEED)

bench: ## time and memory beside stock Caffe and PyTorch: [PRESETS="vgg19 tiny" TORCH_PYTHON= GPU=1 BENCH=bench]
	@$(RAR) bench $(foreach p,$(PRESETS),--preset $(call quoted,$(p))) $(call option,torch-python,TORCH_PYTHON) $(call flag,gpu,GPU) $(call option,out,BENCH)

test: ## the tests, all that this machine can run; what they need is fetched first [SLOW=1: those of a minute or more too]
	@$(RAR) self-test $(call flag,slow,SLOW)

test-gpu: ## the tests of layers and kernels on GPU 0, and those that need a GPU (after make caffe CUDA=1, make cupy)
	@$(RAR) run python3 -m pytest --gpu tests/layers tests/gpu

lint: ## ruff, mypy, hadolint
	@$(RAR) lint

docs: ## the documentation as a web site, site/index.html
	@$(RAR) docs

doctor: ## what this machine has and lacks, for a bug report
	@$(RAR) doctor

clean: ## remove the demo and caches of Python here; prepared data, runs and Caffe stay
	@rm -rf demo .pytest_cache .mypy_cache .ruff_cache
