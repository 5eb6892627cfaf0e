--- Examples of names whose comments hold none: each runs as it stands (tests/doc/examples_spec.lua).
local text = [==[
lt.abs                  lt.tensor({ -1, 2 }):abs()                                   -- 1 2
lt.adaptive_avg_pool1d  lt.adaptive_avg_pool1d(lt.rand(2, 3, 10), 1)                     -- (2, 3, 1)
lt.adaptive_avg_pool2d  lt.adaptive_avg_pool2d(lt.rand(2, 3, 8, 9), { 1, 1 })            -- (2, 3, 1, 1)
lt.adaptive_max_pool1d  lt.adaptive_max_pool1d(lt.rand(2, 3, 10), 5)                     -- (2, 3, 5)
lt.adaptive_max_pool2d  lt.adaptive_max_pool2d(lt.rand(2, 3, 8, 9), { 4, 3 })            -- (2, 3, 4, 3)
lt.add                  lt.ones(2, 3):add(lt.arange(3))                              -- (2, 3); also a + b
lt.add_                 lt.zeros(3):add_(1)                                          -- 1 1 1, in place
lt.all                  lt.tensor({ 1, 0 }):gt(0):all()                              -- false
lt.allclose             lt.allclose(lt.ones(3), lt.ones(3):add(1e-9))                -- true
lt.amax                 lt.rand(4, 5):amax(2)                                        -- (4)
lt.amin                 lt.rand(4, 5):amin({ 1, 2 })                                 -- one number
lt.any                  lt.tensor({ 1, 0 }):gt(0):any()                              -- true
lt.argmax               lt.tensor({ 1, 9, 3 }):argmax(1)                             -- 1, counted from 0
lt.argmin               lt.rand(4, 5):argmin(2)                                      -- (4), i64
lt.argsort              lt.tensor({ 3, 1, 2 }):argsort(1)                            -- 1 2 0
lt.autocast             lt.autocast("bf16", function() return lt.rand(4, 8):matmul(lt.rand(8, 4)) end)
lt.avg_pool1d           lt.avg_pool1d(lt.rand(2, 3, 10), 2)                              -- (2, 3, 5)
lt.avg_pool2d           lt.avg_pool2d(lt.rand(2, 3, 8, 8), 2)                            -- (2, 3, 4, 4)
lt.batch_norm           nn.BatchNorm1d(4)(lt.rand(8, 4))                             -- the layer calls it
lt.bernoulli            lt.bernoulli(lt.full({ 4 }, 0.5))                            -- zeros and ones
lt.binary_cross_entropy lt.binary_cross_entropy(lt.rand(4), lt.tensor { 0, 1, 1, 0 })
lt.binary_cross_entropy_with_logits lt.binary_cross_entropy_with_logits(lt.randn(4), lt.tensor { 0, 1, 1, 0 })
lt.bmm                  lt.bmm(lt.rand(8, 2, 3), lt.rand(8, 3, 4))                   -- (8, 2, 4)
lt.cast                 lt.tensor({ 1.7 }):cast "i64"                                -- 1
lt.cat                  lt.cat({ lt.zeros(2, 3), lt.ones(1, 3) }, 1)                     -- (3, 3)
lt.ceil                 lt.tensor({ 1.2 }):ceil()                                    -- 2
lt.chunk                lt.chunk(lt.arange(6), 3, 1)                                 -- three tensors (2)
lt.clamp                lt.randn(5):clamp(-1, 1)
lt.clamp_               lt.randn(5):clamp_(0)                                        -- in place
lt.clone                lt.zeros(3):clone()
lt.contiguous           lt.rand(2, 3):t():contiguous()
lt.conv1d               lt.conv1d(lt.rand(2, 3, 16), lt.rand(8, 3, 5), nil, 1, 2)    -- (2, 8, 16)
lt.conv2d               lt.conv2d(lt.rand(2, 3, 8, 8), lt.rand(16, 3, 3, 3), nil, 2, 1)  -- (2, 16, 4, 4)
lt.conv_transpose1d     lt.conv_transpose1d(lt.rand(2, 8, 5), lt.rand(8, 3, 4), nil, 2)   -- (2, 3, 12)
lt.conv_transpose2d     lt.conv_transpose2d(lt.rand(1, 8, 5, 5), lt.rand(8, 3, 2, 2), nil, 2)
lt.copy_                lt.zeros(3):copy_(lt.ones(3))
lt.cos                  lt.zeros(3):cos()                                            -- 1 1 1
lt.count_nonzero        lt.tensor({ 0, 5, 0 }):count_nonzero()                       -- 1
lt.cross_entropy        lt.cross_entropy(lt.randn(4, 10), lt.tensor({ 1, 0, 9, 3 }, "i64"))
lt.cumsum               lt.ones(4):cumsum(1)                                         -- 1 2 3 4
lt.detach               lt.ones(2):set_requires_grad():mul(2):detach()
lt.div                  lt.ones(3):div(4)                                            -- also a / b
lt.div_                 lt.ones(3):div_(4)
lt.dropout              lt.dropout(lt.ones(8), 0.5, true)                            -- zeros and twos
lt.dropout_add          lt.dropout_add(lt.ones(8), lt.zeros(8), 0.1, true)
lt.elu                  lt.randn(4):elu(1)
lt.embedding            lt.embedding(lt.tensor({ 0, 2 }, "i64"), lt.rand(3, 4))      -- (2, 4)
lt.empty_like           lt.empty_like(lt.zeros(2, 3))
lt.enable_grad          lt.no_grad(function() return lt.enable_grad(lt.grad_enabled) end)  -- true
lt.eq                   lt.tensor({ 1, 2 }):eq(2)                                    -- false true
lt.equal                lt.ones(2):equal(lt.ones(2))                                 -- true
lt.erf                  lt.zeros(2):erf()
lt.exp                  lt.zeros(2):exp()                                            -- 1 1
lt.expand               lt.ones(3, 1):expand(3, 5)                                   -- (3, 5), no copy
lt.expand_as            lt.ones(1, 3):expand_as(lt.zeros(4, 3))
lt.expm1                lt.tensor({ 1e-6 }):expm1()
lt.eye                  lt.eye(3)                                                    -- the identity
lt.fill_                lt.zeros(3):fill_(7)
lt.flatten              lt.rand(8, 3, 4, 4):flatten(2)                               -- (8, 48)
lt.flip                 lt.arange(4):flip(1)                                         -- 3 2 1 0
lt.floor                lt.tensor({ 1.8, -1.2 }):floor()                             -- 1 -2
lt.gather               lt.rand(2, 5):gather(2, lt.tensor({ { 0 }, { 4 } }, "i64"))  -- (2, 1)
lt.ge                   lt.arange(3):ge(1)
lt.glu                  lt.rand(4, 6):glu(2)                                         -- (4, 3)
lt.grad_enabled         lt.no_grad(lt.grad_enabled)                                  -- false
lt.group_norm           lt.group_norm(lt.rand(2, 8, 5), 4)
lt.gt                   lt.arange(3):gt(1)
lt.hardsigmoid          lt.randn(4):hardsigmoid()
lt.hardtanh             lt.randn(4):hardtanh(-1, 1)
lt.huber_loss           lt.huber_loss(lt.rand(4), lt.rand(4), { delta = 0.5 })
lt.index_add            lt.zeros(3, 2):index_add(1, lt.tensor({ 0, 2 }, "i64"), lt.ones(2, 2))
lt.index_select         lt.rand(5, 2):index_select(1, lt.tensor({ 4, 0 }, "i64"))    -- (2, 2)
lt.instance_norm        lt.instance_norm(lt.rand(2, 3, 8, 8))
lt.is_tensor            lt.is_tensor(lt.ones(1))                                     -- true
lt.isfinite             lt.tensor({ 1, 0 / 0 }):isfinite()                           -- true false
lt.isinf                lt.tensor({ math.huge }):isinf()
lt.isnan                lt.tensor({ 0 / 0 }):isnan()
lt.keep                 x = lt.scope(function() return lt.keep(lt.ones(3)) end)
lt.kl_div               lt.kl_div(lt.randn(4, 5):log_softmax(2), lt.randn(4, 5):softmax(2))
lt.l1_loss              lt.l1_loss(lt.rand(4), lt.rand(4))
lt.layer_norm           lt.layer_norm(lt.rand(4, 8), { 8 })
lt.le                   lt.arange(3):le(1)
lt.leaky_relu           lt.randn(4):leaky_relu(0.1)
lt.lerp                 lt.lerp(lt.zeros(2), lt.ones(2), 0.25)                       -- 0.25 0.25
lt.lerp_                lt.zeros(2):lerp_(lt.ones(2), 0.01)
lt.linear               lt.linear(lt.rand(4, 8), lt.rand(3, 8), lt.rand(3), "relu")  -- (4, 3)
lt.linspace             lt.linspace(0, 1, 5)                                         -- 0 0.25 0.5 0.75 1
lt.log1p                lt.tensor({ 1e-6 }):log1p()
lt.log_sigmoid          lt.randn(4):log_sigmoid()
lt.log_softmax          lt.randn(4, 10):log_softmax(2)
lt.logical_and          lt.arange(3):gt(0):logical_and(lt.arange(3):lt(2))           -- false true false
lt.logical_not          lt.arange(2):gt(0):logical_not()
lt.logical_or           lt.arange(3):lt(1):logical_or(lt.arange(3):gt(1))
lt.logical_xor          lt.arange(2):logical_xor(lt.ones(2))
lt.logsumexp            lt.randn(4, 10):logsumexp(2)                                 -- (4)
lt.lt                   lt.arange(3):lt(1)
lt.manual_seed          lt.manual_seed(1) x = lt.randn(3)
lt.masked_fill          lt.arange(4):masked_fill(lt.arange(4):gt(1), 0)              -- 0 1 0 0
lt.masked_select        lt.arange(4):masked_select(lt.arange(4):gt(1))               -- 2 3
lt.matmul               lt.matmul(lt.rand(2, 3), lt.rand(3, 4))                      -- (2, 4)
lt.max                  values, at = lt.rand(4, 5):max(2)                            -- (4) and (4), from 0
lt.max_pool1d           lt.max_pool1d(lt.rand(2, 3, 10), 2)
lt.max_pool2d           lt.max_pool2d(lt.rand(2, 3, 8, 8), 3, 2, 1)                      -- (2, 3, 4, 4)
lt.maximum              lt.maximum(lt.rand(3), 0.5)
lt.mean                 lt.rand(4, 5):mean(1, true)                                  -- (1, 5)
lt.memory               lt.memory().live
lt.min                  values, at = lt.rand(4, 5):min(2)
lt.minimum              lt.minimum(lt.rand(3), lt.rand(3))
lt.mm                   lt.mm(lt.rand(2, 3), lt.rand(3, 4))                          -- (2, 4)
lt.mse_loss             lt.mse_loss(lt.rand(4), lt.rand(4))
lt.mul                  lt.ones(2, 3):mul(lt.arange(3))                              -- also a * b
lt.mul_                 lt.ones(3):mul_(2)
lt.narrow               lt.arange(10):narrow(1, 3, 4)                                -- 2 3 4 5
lt.ne                   lt.arange(3):ne(1)
lt.neg                  lt.arange(3):neg()                                           -- also -x
lt.nll_loss             lt.nll_loss(lt.randn(4, 10):log_softmax(2), lt.tensor({ 1, 0, 9, 3 }, "i64"))
lt.no_grad              y = lt.no_grad(function() return nn.Linear(3, 2)(lt.rand(4, 3)) end)
lt.nonzero              lt.tensor({ 0, 5, 0, 1 }):nonzero()                          -- (2, 1): 1 and 3
lt.norm                 lt.rand(4, 5):norm()
lt.normal_              lt.empty(3):normal_(0, 0.02)
lt.one_hot              lt.one_hot(lt.tensor({ 0, 2 }, "i64"), 3)                    -- (2, 3)
lt.ones                 lt.ones(2, 3)
lt.ones_like            lt.ones_like(lt.zeros(2, 3))
lt.pad                  lt.ones(2, 3):pad({ 1, 1 })                                  -- (2, 5)
lt.permute              lt.rand(2, 3, 4):permute(3, 1, 2)                            -- (4, 2, 3)
lt.pow                  lt.arange(4):pow(2)                                          -- also x ^ 2
lt.prelu                lt.prelu(lt.randn(4), lt.tensor { 0.25 })
lt.prod                 lt.tensor({ 2, 3, 4 }):prod()                                -- 24
lt.rand_like            lt.rand_like(lt.zeros(2, 3))
lt.randn_like           lt.randn_like(lt.zeros(2, 3))
lt.reciprocal           lt.tensor({ 4 }):reciprocal()                                -- 0.25
lt.relu                 lt.randn(4):relu()
lt.remainder            lt.arange(5):remainder(3)                                    -- 0 1 2 0 1; also x % 3
lt.reshape              lt.arange(6):reshape(2, -1)                                  -- (2, 3)
lt.roll                 lt.arange(4):roll(1, 1)                                      -- 3 0 1 2
lt.round                lt.tensor({ 1.6 }):round()                                   -- 2
lt.rsqrt                lt.tensor({ 4 }):rsqrt()                                     -- 0.5
lt.scatter_add          lt.zeros(3):scatter_add(1, lt.tensor({ 0, 0, 2 }, "i64"), lt.ones(3))   -- 2 0 1
lt.select               lt.rand(4, 5):select(1, -1)                                  -- the last row, (5)
lt.sigmoid              lt.randn(4):sigmoid()
lt.sign                 lt.tensor({ -3, 0, 2 }):sign()                               -- -1 0 1
lt.silu                 lt.randn(4):silu()
lt.sin                  lt.zeros(3):sin()
lt.slice                lt.arange(10):slice(1, 2, 9, 3)                              -- 1 4 7
lt.smooth_l1_loss       lt.smooth_l1_loss(lt.rand(4), lt.rand(4))
lt.softmax              lt.randn(4, 10):softmax(2)
lt.softplus             lt.randn(4):softplus()
lt.sort                 values, order = lt.tensor({ 3, 1, 2 }):sort(1)
lt.split                lt.split(lt.arange(7), 3, 1)                                 -- tensors (3), (3), (1)
lt.sqrt                 lt.tensor({ 9 }):sqrt()                                      -- 3
lt.square               lt.tensor({ 3 }):square()                                    -- 9
lt.squeeze              lt.rand(1, 3, 1):squeeze()                                   -- (3)
lt.stack                lt.stack({ lt.zeros(3), lt.ones(3) }, 1)                         -- (2, 3)
lt.std                  lt.randn(4, 100):std(2)                                      -- (4)
lt.sub                  lt.ones(3):sub(lt.arange(3))                                 -- also a - b
lt.sub_                 lt.ones(3):sub_(1)
lt.sum                  lt.rand(2, 3, 4):sum({ 1, 3 })                               -- (3)
lt.sum_to               lt.sum_to(lt.ones(4, 3), { 3 })                                  -- 4 4 4
lt.t                    lt.rand(2, 3):t()                                            -- (3, 2)
lt.take                 lt.arange(6):take(lt.tensor({ 5, 0 }, "i64"))                -- 5 0
lt.tanh                 lt.randn(4):tanh()
lt.threads              lt.threads()
lt.tile                 lt.arange(3):tile(2)                                         -- 0 1 2 0 1 2
lt.topk                 values, at = lt.rand(4, 10):topk(3, 2)                       -- (4, 3) each
lt.transpose            lt.rand(2, 3, 4):transpose(1, 3)                             -- (4, 3, 2)
lt.tril                 lt.ones(3, 3):tril()
lt.triu                 lt.ones(3, 3):triu(1)
lt.unfold               lt.arange(10):unfold(1, 4, 2)                                -- (4, 4): frames
lt.unsqueeze            lt.rand(3):unsqueeze(1)                                      -- (1, 3)
lt.var                  lt.randn(4, 100):var(2)
lt.view                 lt.arange(6):view(3, 2)
lt.where                lt.where(lt.arange(3):gt(0), 1, lt.zeros(3))
lt.zero_                lt.ones(3):zero_()
lt.zeros                lt.zeros({ 2, 3 }, { dtype = "i64" })
lt.zeros_like           lt.zeros_like(lt.ones(2, 3))
lt.Tensor               x = lt.tensor { { 1, 2 }, { 3, 4 } } y = x[1] + x:size(2)
Tensor:backward         w = lt.ones(3):set_requires_grad(); (w * w):sum():backward()  -- w.grad is 2 2 2
Tensor:item             lt.tensor({ 3 }):sum():item()                                -- 3, a Lua number
Tensor:get              lt.arange(6):reshape(2, 3):get(2, 1)                         -- 3
Tensor:set              lt.zeros(2, 3):set(7, 2, 1)
Tensor:tolist           lt.ones(2, 2):tolist()                                       -- {{1, 1}, {1, 1}}
Tensor:flat             lt.ones(2, 2):flat()                                         -- {1, 1, 1, 1}
Tensor:size             lt.rand(2, 3):size(-1)                                       -- 3
Tensor:dim              lt.rand(2, 3):dim()                                          -- 2
Tensor:numel            lt.rand(2, 3):numel()                                        -- 6
Tensor:dtype            lt.zeros(2):dtype()                                          -- "f32"
Tensor:like             lt.zeros(2, 3):like "i64"
Tensor:data             lt.zeros(3):data()[0]                                        -- from 0, as in C
lt.metrics.accuracy     lt.metrics.accuracy(lt.randn(8, 3), lt.zeros({ 8 }, "i64"))
lt.metrics.Average      a = lt.metrics.Average() a:update(3, 2) a:value()            -- 3
lt.metrics.confusion_matrix lt.metrics.confusion_matrix(lt.randn(8, 3), lt.zeros({ 8 }, "i64"))
lt.audio.spectrogram    lt.audio.spectrogram(lt.randn(4000), { n_fft = 512 })        -- (257, frames)
lt.audio.istft          lt.audio.istft(lt.audio.stft(lt.randn(4000), { n_fft = 512 }))
lt.audio.mel            lt.audio.mel(lt.randn(22050), { sample_rate = 22050, n_mels = 64 })   -- (64, 44)
lt.audio.mel_filters    lt.audio.mel_filters { n_mels = 40 }                         -- (40, 1025)
lt.audio.mel_to_hz      lt.audio.mel_to_hz(15)                                       -- 1000
lt.audio.hz_to_mel      lt.audio.hz_to_mel(440, "htk")
lt.audio.window         lt.audio.window("hann", 1024)                                -- (1024)
lt.audio.chroma_stft    lt.audio.chroma_stft(lt.randn(8192), { tuning = 0 })         -- (12, frames)
lt.audio.rms_envelope   lt.audio.rms_envelope(lt.randn(8192))
lt.audio.noise          lt.audio.noise(lt.randn(4000), { 10, 30 })                   -- 10 to 30 dB below
lt.audio.fbank          lt.audio.fbank(lt.randn(16000), { n_mels = 80 })             -- (98, 80)
lt.audio.dct            lt.audio.dct(13, 40)                                         -- (13, 40)
lt.audio.info           lt.audio.info "song.flac"
lt.audio.load           x, rate = lt.audio.load("song.flac", { sample_rate = 22050, mono = true })
lt.audio.save           lt.audio.save("tone.wav", lt.randn(22050) * 0.1, 22050)
lt.loss.mse             lt.loss.mse(lt.rand(4), lt.rand(4))
lt.loss.l1              lt.loss.l1(lt.rand(4), lt.rand(4))
lt.loss.huber           lt.loss.huber(lt.rand(4), lt.rand(4), { delta = 1 })
lt.loss.smooth_l1       lt.loss.smooth_l1(lt.rand(4), lt.rand(4))
lt.loss.nll             lt.loss.nll(lt.randn(4, 3):log_softmax(2), lt.zeros({ 4 }, "i64"))
lt.loss.kl_div          lt.loss.kl_div(lt.randn(4, 3):log_softmax(2), lt.randn(4, 3):softmax(2))
lt.loss.bce             lt.loss.bce(lt.rand(4), lt.ones(4))
lt.loss.bce_with_logits lt.loss.bce_with_logits(lt.randn(4), lt.ones(4))
lt.scope                loss = lt.scope(function() return lt.rand(4):mean() end)
lt.nn.AdaptiveAvgPool1d nn.AdaptiveAvgPool1d(1)(lt.rand(2, 8, 10))                   -- (2, 8, 1)
lt.nn.AdaptiveAvgPool2d nn.AdaptiveAvgPool2d(1)(lt.rand(2, 8, 5, 5))                 -- (2, 8, 1, 1)
lt.nn.AdaptiveMaxPool1d nn.AdaptiveMaxPool1d(1)(lt.rand(2, 8, 10))
lt.nn.AdaptiveMaxPool2d nn.AdaptiveMaxPool2d(1)(lt.rand(2, 8, 5, 5))
lt.nn.AvgPool2d         nn.AvgPool2d(2)(lt.rand(2, 8, 6, 6))                         -- (2, 8, 3, 3)
lt.nn.MaxPool2d         nn.MaxPool2d(3, { stride = 2, padding = 1 })(lt.rand(2, 8, 6, 6))
lt.nn.ConvTranspose1d   nn.ConvTranspose1d(8, 4, 4, { stride = 2 })(lt.rand(2, 8, 5))
lt.nn.ConvTranspose2d   nn.ConvTranspose2d(8, 4, 2, { stride = 2 })(lt.rand(2, 8, 5, 5))
lt.nn.Dropout1d         nn.Dropout1d(0.2)(lt.rand(2, 8, 5))
lt.nn.Dropout2d         nn.Dropout2d(0.2)(lt.rand(2, 8, 5, 5))
lt.nn.Embedding         nn.Embedding(100, 16)(lt.tensor({ { 1, 5, 99 } }, "i64"))    -- (1, 3, 16)
lt.nn.Flatten           nn.Flatten()(lt.rand(8, 3, 4, 4))                            -- (8, 48)
lt.nn.GRU               y, h = nn.GRU(8, 16, { batch_first = true })(lt.rand(2, 10, 8))   -- (2, 10, 16)
lt.nn.LSTM              y, h, c = nn.LSTM(8, 16, { batch_first = true })(lt.rand(2, 10, 8))
lt.nn.Identity          nn.Identity()(lt.rand(3))
lt.nn.InstanceNorm2d    nn.InstanceNorm2d(3)(lt.rand(2, 3, 8, 8))
lt.nn.ModuleList        layers = nn.ModuleList { nn.Linear(4, 4), nn.Linear(4, 4) }
lt.nn.Parameter         scale = nn.Parameter(lt.ones(8))
lt.nn.SiLU              nn.SiLU()(lt.randn(4))
lt.nn.Sigmoid           nn.Sigmoid()(lt.randn(4))
lt.nn.Tanh              nn.Tanh()(lt.randn(4))
lt.nn.ReLU              nn.Sequential(nn.Linear(4, 8), nn.ReLU())(lt.rand(2, 4))
lt.nn.init.constant_    nn.init.constant_(lt.empty(3), 0.1)
lt.nn.init.eye_         nn.init.eye_(lt.empty(3, 3))
lt.nn.init.kaiming_normal_ nn.init.kaiming_normal_(lt.empty(8, 4))
lt.nn.init.kaiming_uniform_ nn.init.kaiming_uniform_(lt.empty(8, 4))
lt.nn.init.normal_      nn.init.normal_(lt.empty(3), 0, 0.02)
lt.nn.init.ones_        nn.init.ones_(lt.empty(3))
lt.nn.init.zeros_       nn.init.zeros_(lt.empty(3))
lt.nn.init.orthogonal_  nn.init.orthogonal_(lt.empty(4, 4))
lt.nn.init.trunc_normal_ nn.init.trunc_normal_(lt.empty(3), 0, 0.02)
lt.nn.init.uniform_     nn.init.uniform_(lt.empty(3), -1, 1)
lt.nn.init.xavier_normal_ nn.init.xavier_normal_(lt.empty(8, 4))
lt.nn.init.xavier_uniform_ nn.init.xavier_uniform_(lt.empty(8, 4))
lt.nn.init.calculate_gain nn.init.calculate_gain "relu"                              -- sqrt(2)
lt.nn.BatchNorm2d       nn.BatchNorm2d(8)(lt.rand(2, 8, 5, 5))
lt.nn.Conv2d     nn.Conv2d(3, 16, 3, { stride = 2, padding = 1 })(lt.rand(2, 3, 8, 8))  -- (2, 16, 4, 4)
lt.nn.resnet34          model = nn.resnet34 { in_channels = 1, num_classes = 10 }
lt.nn.Residual          nn.Residual(nn.Linear(4, 4), nn.ReLU())(lt.rand(2, 4))
lt.nn.ConformerLayer    nn.ConformerLayer(16, 32, 4, 7)(lt.rand(10, 2, 16))
lt.optim.clip_grad_norm lt.optim.clip_grad_norm(nn.Linear(3, 2):parameters(), 1)
lt.optim.grad_norm      lt.optim.grad_norm(nn.Linear(3, 2):parameters())
lt.schedule.step        lt.schedule.step(lt.optim.SGD { nn.Parameter(lt.ones(2)) }, { size = 10 })
lt.schedule.one_cycle   lt.schedule.one_cycle(lt.optim.SGD { nn.Parameter(lt.ones(2)) }, { total = 100 })
lt.schedule.inverse_sqrt lt.schedule.inverse_sqrt(lt.optim.SGD { nn.Parameter(lt.ones(2)) }, { warmup = 100 })
lt.schedule.plateau     lt.schedule.plateau(lt.optim.SGD { nn.Parameter(lt.ones(2)) }, { patience = 3 })
lt.schedule.custom lt.schedule.custom(lt.optim.SGD { nn.Parameter(lt.ones(2)) }, math.exp)
lt.loss.l1_loss         lt.loss.l1_loss(lt.rand(4), lt.rand(4))
lt.loss.huber_loss      lt.loss.huber_loss(lt.rand(4), lt.rand(4))
lt.loss.smooth_l1_loss  lt.loss.smooth_l1_loss(lt.rand(4), lt.rand(4))
lt.loss.nll_loss        lt.loss.nll_loss(lt.randn(4, 3):log_softmax(2), lt.zeros({ 4 }, "i64"))
lt.optim.Adam           lt.optim.Adam(nn.Linear(3, 2):parameters(), { lr = 1e-3 })
lt.optim.AdamW          lt.optim.AdamW(nn.Linear(3, 2):parameters(), { lr = 1e-3, weight_decay = 0.01 })
lt.optim.RMSprop        lt.optim.RMSprop(nn.Linear(3, 2):parameters(), { lr = 1e-3 })
lt.optim.SGD            lt.optim.SGD(nn.Linear(3, 2):parameters(), { lr = 0.1, momentum = 0.9 })
lt.schedule.constant    lt.schedule.constant(lt.optim.SGD(nn.Linear(3, 2):parameters(), { lr = 0.1 }))
lt.schedule.linear      lt.schedule.linear(lt.optim.SGD { nn.Parameter(lt.ones(2)) }, { total = 9 })
lt.schedule.exponential lt.schedule.exponential(lt.optim.SGD { nn.Parameter(lt.ones(2)) }, { gamma = 0.9 })
lt.json.decode          lt.json.decode('{"a": [1, 2]}').a[2]                         -- 2
lt.json.array           lt.json.encode(lt.json.array {})                             -- []
lt.fs.join              lt.fs.join("runs", "a", "log.txt")
lt.fs.basename          lt.fs.basename "runs/a/log.txt"                              -- log.txt
lt.fs.dirname           lt.fs.dirname "runs/a/log.txt"                               -- runs/a
lt.fs.extension         lt.fs.extension "song.flac"                                  -- flac
lt.fs.stem              lt.fs.stem "runs/song.flac"                                  -- song
lt.fs.exists            lt.fs.exists "README.md"
lt.fs.is_file           lt.fs.is_file "README.md"
lt.fs.is_dir            lt.fs.is_dir "recipes"
lt.fs.list              lt.fs.list "."
lt.process.cpus         lt.process.cpus()
lt.process.which        lt.process.which "gnuplot"
lt.recipe.list          names, paths = lt.recipe.list()
lt.recipe.load          r = lt.recipe.load "chord"
lt.random.manual_seed   lt.random.manual_seed(1)
lt.random.generator     lt.rand(3, { generator = lt.random.generator(1) })
lt.music.chord.classify lt.music.chord.classify "C:maj7"
lt.music.chord.valid    lt.music.chord.valid "C:maj7"                                -- true
lt.music.chord.transpose lt.music.chord.transpose("C:maj7", 2)                       -- D:maj7
lt.music.chord.split    lt.music.chord.split "A:min7/b3"
lt.midi.encode          lt.midi.encode { notes = { { start = 0, stop = 1, pitch = 60, velocity = 80 } } }
lt.report.available     lt.report.available()
lt.report.web.escape    lt.report.web.escape "a < b"                                 -- a &lt; b
lt.report.web.base64    lt.report.web.base64 "abc"                                   -- YWJj
lt.show.count           lt.show.count(1234567)                                       -- 1,234,567
lt.show.tensor          lt.show.tensor(lt.ones(2))
lt.help                 help(lt.conv2d)
lt.who                  who()
lt.doc.text             text = lt.doc.text "lt.conv2d"
lt.terminal.columns     lt.terminal.columns()
lt.config.list          lt.config.list({ 16, 32 }, "channels")
]==]

local examples = {}
for line in text:gmatch "[^\n]+" do
  local name, code = line:match "^(%S+)%s+(.+)$"
  examples[name] = code:gsub("%s%s+%-%-", "    --")
end

return examples
