--- lt.synthesizer is lt.music.synthesizer.
return require "luatrain.music.synthesizer"
