package emulate

// The vocabulary of Sample. Every list is invented for it, apart from the names of countries.
// Changing a list changes every sample post: the test TestSampleIsPinned tells so.

// categories are the thirteen that the posts of the public exercise have.
var categories = [...]string{
	"art", "beauty", "christmas", "diy-and-crafts", "education", "event-planning", "finance",
	"home-decor", "mens-fashion", "quotes", "tattoos", "travel", "vehicles",
}

// subjects holds a few nouns per category, in the order of categories.
var subjects = [...][8]string{
	{"charcoal study", "watercolour sky", "clay fox", "ink harbour", "paper relief", "gouache pear", "linocut owl", "mural sketch"},
	{"braided crown", "oat face mask", "copper lids", "plum lipstick", "night serum", "short fringe", "almond nails", "rose steam"},
	{"pine garland", "ginger stars", "felt angel", "advent jars", "cinnamon wreath", "knit stocking", "snow globe", "clove oranges"},
	{"macramé shelf", "denim basket", "cork planter", "bottle lamp", "quilted pouch", "wax wraps", "pallet bench", "button frame"},
	{"fraction wall", "reading nook", "sorting tray", "spelling trail", "science jar", "map puzzle", "sight-word fans", "counting beads"},
	{"garden supper", "seating chart", "lantern aisle", "dessert table", "welcome sign", "picnic shower", "balloon arch", "menu cards"},
	{"envelope budget", "rainy-day fund", "side income", "debt snowball", "no-spend month", "pension check", "price book", "first salary"},
	{"limewash wall", "window seat", "rattan lamp", "hallway hooks", "tiny pantry", "gallery stairs", "oak sideboard", "linen curtains"},
	{"cord jacket", "linen suit", "rolled cuffs", "chelsea boots", "knit polo", "work shirt", "wool overcoat", "canvas sneakers"},
	{"quiet mornings", "small steps", "brave starts", "old friends", "kept promises", "slow rivers", "open doors", "good trouble"},
	{"fern sleeve", "swallow wrist", "fine-line moon", "koi shoulder", "dotwork fox", "anchor ankle", "lotus back", "compass rib"},
	{"night train", "cliff path", "island ferry", "desert camp", "harbour town", "hut to hut", "market lane", "glacier walk"},
	{"camper fit-out", "café racer", "roof-rack build", "rally hatchback", "cargo bicycle", "wood-trim wagon", "old tractor", "electric van"},
}

var leads = [...]string{
	"Ten ideas for a", "How to plan a", "My favourite", "A weekend with a", "Simple", "The slow guide to a", "Before and after:",
	"Small-space", "Step by step:", "What nobody says about a", "Colourful", "Budget-friendly", "A first try at a", "Handmade",
	"Seven days of", "Notes on a", "The best", "Cosy", "One-hour", "Minimal",
}

var tails = [...]string{
	"for beginners", "on a budget", "in one afternoon", "that lasts", "for two", "with the kids", "from scraps", "at home",
	"without tools", "in bloom", "for rainy days", "you can copy", "in grey and gold", "under the stairs", "by the sea", "for grown-ups",
}

var emoji = [...]string{"✨", "🌿", "🎄", "❤️", "🦊", "🏍️", "👩‍🎨", "☕", "🇮🇸", "😍😍", "𝓞𝓷𝓮", "🧵"}

// rightToLeft are titles in Hebrew, Arabic, Persian and Urdu script.
var rightToLeft = [...]string{
	"רעיונות קטנים לבית גדול", "שולחן עץ ליד החלון", "أفكار بسيطة لحديقة صغيرة", "رحلة يومين إلى الجبل",
	"طرح ساده برای دیوار", "چھوٹے باغ کے لیے خیالات", "מתכון של סבתא (עם תמונות)", "ألوان الشتاء 2021",
}

// otherScripts are titles that need more than one byte a letter.
var otherScripts = [...]string{
	"小さな庭のアイデア", "窗边的旧木桌", "Идеи для маленькой кухни", "Ιδέες για ένα μικρό μπαλκόνι", "작은 정원 만들기",
	"Crème brûlée à l’ancienne", "Über den Dächern — Größe zählt nicht", "छोटे बगीचे के विचार", "Þrjú lítil hús",
}

var oneLetter = [...]string{"a", "M", "♥", "1", "é", "."}

var sentences = [...]string{
	"We tried three versions before this one stayed",
	"Pin it now and come back when the weather turns",
	"Everything here came from the drawer under the sink",
	"The trick is to stop one step earlier than you think",
	"You need an hour, a friend and a flat surface",
	"It costs less than a lunch and looks like a week of work",
	"Measure twice; the second time is for the photograph",
	"Start with the light colour and let it dry",
	"There is a printable list at the end",
	"Nobody in the family believed it was handmade",
	"Leave room at the edges, you will want it later",
	"This is the plan we wish we had had last year",
	"Works in a rented flat and leaves no marks",
	"Swap the ribbon for string if you prefer it plain",
	"Read to the end for the mistake we made",
	"The second half is easier than it looks",
	"Good for small hands & short evenings",
	"Save the off-cuts: they make the best labels",
	"Prices are from the corner shop, not from a catalogue",
	"It was \"only a test\" and now it hangs in the hall",
	"We\u2019ve kept the list short on purpose",
	"Tag us if you make it <3",
	"Ingredients, tools and times are below",
	"Half of it can be done the day before",
}

var tagWords = [...]string{
	"Attic", "Balcony", "Brass", "Calm", "Candle", "Clever", "Copper", "Corner", "Daily", "Evening", "Family", "Fern", "Festive",
	"Folk", "Garden", "Gentle", "Harbour", "Ideas", "Ink", "Juniper", "Kitchen", "Ladder", "Layered", "Linen", "Little", "Market",
	"Meadow", "Mini", "Moss", "Neutral", "Northern", "Oak", "Paper", "Pattern", "Pebble", "Plans", "Plum", "Projects", "Quick",
	"Rainy", "Recipes", "Rustic", "Seasonal", "Sketch", "Soft", "Stories", "Sunday", "Tips", "Velvet", "Walnut", "Wild", "Window",
}

var posterFirst = [...]string{
	"Amber", "Birch", "Blue Door", "Bramble", "Clementine", "Copper Kettle", "Dotty", "Elder", "Fennel", "Finch & Co", "Foxglove",
	"Grey Pier", "Hazel", "Hollyhock", "Juniper", "Kite", "La Petite", "Lark", "Marigold", "Mossy", "Nine Stairs", "North Quay",
	"Olive", "Paper Moon", "Pebble", "Quill", "Rowan", "Saltwater", "Señora", "Thimble", "Umber", "Violet", "Wick", "Yarrow",
}

var posterLast = [...]string{
	"Almanac", "Atelier", "Blog", "Club", "Collective", "Corner", "Diary", "Frères", "House", "Ideas", "Journal", "Kitchen", "Lane",
	"Living", "Magazine", "Market", "Notes", "Papers", "Parlour", "Post", "School", "Shed", "Studio", "Supply", "Table", "Workshop",
}

var firstNames = [...]string{
	"Aino", "Amara", "Anouk", "Arvid", "Beatriz", "Bilal", "Björn", "Carmen", "Chidi", "Ciara", "Dagny", "Dario", "Ebba", "Emre",
	"Esme", "Farid", "Fleur", "Goran", "Greta", "Hana", "Hugo", "Ilse", "Imani", "Iris", "Jonas", "José", "Jun", "Kaya", "Kofi",
	"Lena", "Linh", "Luca", "Maeve", "Mateus", "Mina", "Nadia", "Nils", "Noémie", "Oskar", "Otto", "Petra", "Priya", "Quentin",
	"Rosa", "Rune", "Sami", "Selma", "Tove", "Tariq", "Uma", "Vera", "Viktor", "Wanda", "Wren", "Ximena", "Yara", "Yusuf", "Zofia",
}

var lastNames = [...]string{
	"Abara", "Aldous", "Baptiste", "Brandt", "Carrow", "Castellan", "D'Amico", "Dufour", "Eklund", "Eze", "Fontana", "Fairweather",
	"Gruber", "Guðmundsson", "Haas", "Hollis", "Ivanov", "Ito", "Jansen", "Jørgensen", "Kaplan", "Keller", "Lindqvist", "Lowe",
	"Mbeki", "Moreau", "Nakamura", "Novák", "O'Dell", "Okafor", "Pavlov", "Pereira", "Quist", "Rahman", "Rossi", "Saar", "Silva",
	"Smith-Lowe", "Tanaka", "Thorne", "Ueda", "Urban", "Van Dam", "Vasquez", "Weir", "Winter", "Xu", "Yilmaz", "Young", "Zeller",
}

// countries are written as address generators write them: formal names, apostrophes and accents.
var countries = [...]string{
	"Afghanistan", "Albania", "Algeria", "American Samoa", "Andorra", "Angola", "Anguilla",
	"Antarctica (the territory South of 60 deg S)", "Antigua and Barbuda", "Argentina", "Armenia", "Aruba", "Australia", "Austria",
	"Azerbaijan", "Bahamas", "Bahrain", "Bangladesh", "Barbados", "Belgium", "Benin", "Bermuda", "Bolivia", "Botswana",
	"Bouvet Island (Bouvetoya)", "Brazil", "British Indian Ocean Territory (Chagos Archipelago)", "Bulgaria", "Burundi", "Cambodia",
	"Cameroon", "Canada", "Chad", "Chile", "China", "Cocos (Keeling) Islands", "Colombia", "Comoros", "Cote d'Ivoire", "Croatia",
	"Cuba", "Cyprus", "Czech Republic", "Denmark", "Djibouti", "Ecuador", "Egypt", "Estonia", "Ethiopia", "Faroe Islands", "Fiji",
	"Finland", "France", "Gabon", "Germany", "Ghana", "Greece", "Guinea-Bissau", "Guyana", "Holy See (Vatican City State)", "Hungary",
	"Iceland", "India", "Ireland", "Isle of Man", "Italy", "Jamaica", "Japan", "Kenya", "Korea", "Kyrgyz Republic",
	"Lao People's Democratic Republic", "Latvia", "Lesotho", "Liechtenstein", "Luxembourg", "Malta", "Mexico", "Monaco", "Mozambique",
	"Nepal", "New Zealand", "Norway", "Oman", "Palau", "Peru", "Portugal", "Réunion", "Samoa", "Senegal",
	"Svalbard & Jan Mayen Islands", "Timor-Leste", "Tonga", "Uruguay", "Vanuatu", "Zimbabwe", "Åland Islands",
}
