<?php

declare(strict_types=1);

namespace App\Models;

use Illuminate\Database\Eloquent\Model;
use Illuminate\Database\Eloquent\Relations\HasMany;

/** An invoice. `node` is filled by the database: the server that executed the INSERT. */
class Invoice extends Model
{
    public $timestamps = false;

    protected $fillable = ['number', 'customer', 'amount_cents'];

    public function lines(): HasMany
    {
        return $this->hasMany(InvoiceLine::class);
    }
}
