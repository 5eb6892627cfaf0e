--- Data sets of music that luatrain's recipes know: what they are, their licences, and how to get them.
--
-- An entry has name, title, licence, page (of its makers), notes (a list of sentences), and files: a list of
-- {url, name, sha256}; without files it has to be fetched by hand, as the
-- notes say. `luatrain data get --catalogue` reads the same form from JSON.
--
-- Checksums are those of the makers' pages (Magenta) or of copies of their files that others
-- published the same sums of.

local magenta = "https://storage.googleapis.com/magentadata/datasets/"

return {
  {
    name = "groove-midi",
    title = "Groove MIDI 1.0.0: 13.6 hours of drumming, MIDI only (Gillick et al. 2019)",
    licence = "CC BY 4.0", page = "https://magenta.tensorflow.org/datasets/groove",
    notes = { "For `luatrain run musician`: groove." },
    files = { { name = "groove-v1.0.0-midionly.zip", url = magenta .. "groove/groove-v1.0.0-midionly.zip",
      sha256 = "651cbc524ffb891be1a3e46d89dc82a1cecb09a57c748c7b45b844c4841dcc1e" } },
  },
  {
    name = "maestro-midi",
    title = "MAESTRO 3.0.0: 200 hours of piano performances, MIDI only (Hawthorne et al. 2019)",
    licence = "CC BY-NC-SA 4.0", page = "https://magenta.tensorflow.org/datasets/maestro",
    notes = { "For `luatrain run musician`: melody and dynamics; for `luatrain run transcription`." },
    files = { { name = "maestro-v3.0.0-midi.zip", url = magenta .. "maestro/v3.0.0/maestro-v3.0.0-midi.zip",
      sha256 = "70470ee253295c8d2c71e6d9d4a815189e35c89624b76d22fce5a019d5dde12c" } },
  },
  {
    name = "lakh-midi", title = "Lakh MIDI 0.1, full: 178561 MIDI files of all kinds (Raffel 2016)",
    licence = "CC BY 4.0", page = "https://colinraffel.com/projects/lmd/",
    notes = { "For `luatrain run musician`: melody." },
    files = { { name = "lmd_full.tar.gz", url = "http://hog.ee.columbia.edu/craffel/lmd/lmd_full.tar.gz",
      sha256 = "6fcfe2ac49ca08f3f214cec86ab138d4fc4dabcd7f27f491a838dae6db45a12b" } },
  },
  {
    name = "deam", title = "DEAM: 1802 songs with valence and arousal (Aljanaki, Yang and Soleymani 2017)",
    licence = "see its page; for research", page = "https://cvml.unige.ch/databases/DEAM/",
    notes = {
      "For `luatrain run musician`: emotion.",
      "Read the conditions on the page; download DEAM_audio.zip (1.3 GB) and DEAM_Annotations.zip there.",
      "Unpack both into one folder, so that MEMD_audio/ lies beside annotations/.",
    },
  },
  {
    name = "asap",
    title = "ASAP: 1067 performances of piano pieces, aligned with scores (Foscarin et al. 2020)",
    licence = "CC BY-NC-SA 4.0", page = "https://github.com/fosfrancesco/asap-dataset",
    notes = {
      "For `luatrain run musician`: melody and dynamics; for `luatrain run transcription`.",
      "git clone https://github.com/fosfrancesco/asap-dataset",
    },
  },
  {
    name = "pop909", title = "POP909: piano arrangements of 909 pop songs, with chords (Wang et al. 2020)",
    licence = "MIT", page = "https://github.com/music-x-lab/POP909-Dataset",
    notes = {
      "For `luatrain run musician`: harmony; for `luatrain run chord`.",
      "git clone https://github.com/music-x-lab/POP909-Dataset",
    },
  },
  {
    name = "vgmidi",
    title = "VGMIDI: piano arrangements of video game music, partly with moods (Ferreira and Whitehead 2019)",
    licence = "see its page", page = "https://github.com/lucasnfe/vgmidi",
    notes = {
      "For `luatrain run musician`: emotion and melody.",
      "git clone https://github.com/lucasnfe/vgmidi",
      "Then write a CSV file with the columns midi, valence, arousal (-1 to 1) beside the MIDI files.",
    },
  },
}
