# SPDX-License-Identifier: MIT
"""Texts for the tokenizers' tests: sentences of many languages, and everything that people and machines put into them."""
import random
import unicodedata

# Article 1 of the Universal Declaration of Human Rights, begun; and what people search photos by.
SENTENCES = """
All human beings are born free and equal in dignity and rights.
Tous les êtres humains naissent libres et égaux en dignité et en droits.
Alle Menschen sind frei und gleich an Würde und Rechten geboren; Straße, GROẞ, ﬁne ﬂuﬀ.
Todos los seres humanos nacen libres e iguales: ¿qué niño? ¡año!
Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. İSTANBUL'da IŞIK ılık
Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi.
Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.
Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv. Příliš žluťoučký kůň
Minden emberi lény szabadon születik és egyenlő méltósága és joga van. ŐŰ
Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι. ΟΔΟΣ ΣΟΦΟΣ Ὀδυσσεύς ᾳ ᾼ
ΑΣ-Α ΑΣ.Α ΑΣ' 1Σ ⅧΣ ªΣ ΣΣ;Σ ΟΔΥΣΣΕΥΣ_Σ Σ́Σͅα
Все люди рождаются свободными и равными в своем достоинстве и правах. ЁЛКА Ѐ
Всі люди народжуються вільними і рівними у своїй гідності та правах. ЇЖАК
Բոլոր մարդիկ ծնվում են ազատ ու հավասար իրենց արժանապատվությամբ։ ԵՒ և
ყველა ადამიანი იბადება თავისუფალი და თანასწორი. ᲧᲕᲔᲚᲐ
כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם. שָׁלוֹם
يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق. ٢٠٢٤ ﷺ ﻻ
تمام انسان‌ها آزاد به دنیا می‌آیند ۱۲۳
सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता प्राप्त है। १२३
সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে। কো
மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர் கொ
มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์ น้ำ
ကမ္ဘာ လူတိုင်းသည် တူညီ လွတ်လပ်သော ဂုဏ်သိက္ခာဖြင့် ဦး
មនុស្សទាំងអស់កើតមកមានសេរីភាព និងសមភាព
人人生而自由,在尊严和权利上一律平等。㈱ ㌔ ｶﾞ ﾊﾟ
すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。ガギグ
모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 한국어
ሁሉም ሰው ነጻና እኩል ክብር ያለው ሆኖ ተወልዷል። ᏣᎳᎩ Ꭰꮎ
a photo of a cat; it's a dog's 2nd birthday, 2024, don't we'll I'LL you've they're I'd 'Tis 'sup ''s
<|startoftext|> a_b-c &amp; x² ½ Ⅷ ①②③ 10,000.50 € £5 50% #tag @you http://example.org/?q=a+b&c=%20
snake_case camelCase C++20 (c) [x] {y} "quoted" `code` ~tilde~ ^caret^ \\\\back|pipe| !?!? ...... ----
""".strip().splitlines()

EMOJI = ["😀", "🌅", "👨‍👩‍👧", "👍🏽", "🇩🇪", "❤️", "☕", "🏳️‍🌈", "1️⃣", "©️", "🧑🏿‍🚀", "™", "★"]
SPACES = [" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", "\u2028", "\u0085", "\x1c", "\x1f", "\u200b", "\u1680"]
CONTROLS = [chr(c) for c in [*range(0, 9), *range(14, 32), 0x7F, 0x80, 0x9F, 0xAD, 0x200D, 0x200E, 0x2060, 0xFEFF, 0xFFFD]]
MARKS = ["\u0301", "\u0308", "\u0323", "\u0345", "\u05b7", "\u0327", "\u1dca", "\u20dd", "\u3099", "\u093c", "\u11a8", "\u1161"]
# What this Python knows, and private and never assigned ones. Letters that later versions of Unicode bring are letters
# only to software that knows these versions.
KNOWN = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]
SPECIALS = ["<|startoftext|>", "<|endoftext|>", "<|ENDOFTEXT|>", "</s>", "<s>", "<unk>", "<eos>", "<bos>", "<pad>", "<0x0A>", "▁", "▁▁"]


def _piece(chance):
    kind = chance.random()
    if kind < 0.45:
        words = chance.choice(SENTENCES).split(" ")
        begin = chance.randrange(len(words))
        return " ".join(words[begin:begin + chance.randint(1, 6)])
    if kind < 0.55:
        word = chance.choice(chance.choice(SENTENCES).split(" "))
        return chance.choice([word.upper(), word.title(), word.swapcase(), unicodedata.normalize("NFD", word), word * 3])
    if kind < 0.63:
        return chance.choice(EMOJI) * chance.randint(1, 3)
    if kind < 0.70:
        return chance.choice(CONTROLS)
    if kind < 0.80:
        return "".join(chance.choices(KNOWN, k=chance.randint(1, 8)))
    if kind < 0.86:
        return chance.choice("aeEouıСкかは") + "".join(chance.choices(MARKS, k=chance.randint(1, 5)))
    if kind < 0.90:
        return "".join(chr(chance.randint(0x20, 0x7E)) for _ in range(chance.randint(1, 12)))
    if kind < 0.94:
        return str(chance.randint(0, 10**chance.randint(1, 9)))
    if kind < 0.97:
        return chance.choice(SPECIALS)
    return chance.choice("xaé😀 '.中▁") * chance.randint(1, 60)


def lines(count, seed):
    """`count` texts, the same for the same seed."""
    chance = random.Random(f"texts/{seed}")
    made = ["", " ", "\n", "\0", "'", "''", "▁", *SENTENCES]
    while len(made) < count:
        joints = [chance.choice(SPACES) if chance.random() < 0.7 else "" for _ in range(chance.randint(1, 6))]
        made.append("".join(_piece(chance) + joint for joint in joints))
    return made[:count]
